import { formatOffer, parseOffer } from '@filer/protocol';
import { expect, test } from 'vitest';

const OFFER = { job: 'job-1', complete: true, files: 3, bytes: 12, names: ['a', 'b'], note: '' };

function withContents(contents: unknown) {
  const { header } = formatOffer(OFFER, '1');
  const content = Buffer.from(JSON.stringify({ names: OFFER.names, note: '', contents }));
  return { header, content };
}

test('what is below each name of an offer travels with it, and an offer without it is one', () => {
  const contents = [
    { files: 1, bytes: 2 },
    { files: 2, bytes: 10 },
  ];
  expect(parseOffer(formatOffer({ ...OFFER, contents }, '1'))).toMatchObject({ contents });
  expect(parseOffer(formatOffer(OFFER, '1'))).not.toHaveProperty('contents');
});

test('contents that do not fit the names are not told, and wrong ones are malformed', () => {
  expect(parseOffer(withContents([{ files: 1, bytes: 2 }]))).not.toHaveProperty('contents');
  const wrong = [
    'many',
    [{ files: 1 }, { files: 1, bytes: 1 }],
    [
      { files: -1, bytes: 0 },
      { files: 1, bytes: 1 },
    ],
    [
      { files: '1', bytes: 0 },
      { files: 1, bytes: 1 },
    ],
    [
      { files: 1e300, bytes: 0 },
      { files: 1, bytes: 1 },
    ],
    Array.from({ length: 101 }, () => ({ files: 1, bytes: 1 })),
  ];
  for (const contents of wrong)
    expect(() => parseOffer(withContents(contents))).toThrow(
      expect.objectContaining({ code: 'message-malformed' }),
    );
});

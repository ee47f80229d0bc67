import { expect, test } from 'vitest';
import { foldSentences } from '../../packages/program/src/terminal/fold-sentences.ts';

const ID = 'UPYELWN3MHIMJYXEBFI7UJPETB46WP6DB52QUQT3ZMTCEOB7AGOA';
const JOB = 'mrx1b1gzgmssg56t';

test('a sentence is folded between words, and an id, a quotation and a command stay whole', () => {
  expect(foldSentences(`joined as anna  id ${ID}`, 60)).toBe(`joined as anna  id\n${ID}`);
  expect(foldSentences(`removed bartholomew (${ID})`, 60)).toBe(`removed bartholomew\n(${ID})`);
  expect(foldSentences(`carol is not there; \`filer-client retry ${JOB}\` tries again`, 40)).toBe(
    `carol is not there;\n\`filer-client retry ${JOB}\`\ntries again`,
  );
  expect(
    foldSentences(`Take it:  filer-client inbox accept 3f2a   or not:  filer-client inbox decline 3f2a`, 60),
  ).toBe('Take it:  filer-client inbox accept 3f2a   or not:\nfiler-client inbox decline 3f2a');
  expect(foldSentences('there is no file "/a b/c d": check the name of it', 30)).toBe(
    'there is no file "/a b/c d":\ncheck the name of it',
  );
});

test('a word that ends in the last column is followed by a line break', () => {
  expect(foldSentences('reports that read it', 12)).toBe('reports that\nread it');
  expect(foldSentences(`${'x'.repeat(24)} y`, 12)).toBe(`${'x'.repeat(24)}\ny`);
});

test('what fits, what is longer than a line, and what was laid out stay as they are', () => {
  for (const text of [
    `joined as anna  id ${ID}`,
    `  /${'a path with blanks'.repeat(8)}`,
    `/${'a path with blanks'.repeat(8)}`,
    'x'.repeat(200),
  ])
    expect(foldSentences(text, 80)).toBe(text);
});

test.each([20, 40, 60, 80, 120])('no letter is lost in %i columns', (columns) => {
  const text = `bob says: "no \`good\` "nested" x"; try \`a b\` and "c  d  filer-client x  y ${'long'.repeat(30)} ${ID}`;
  const folded = foldSentences(text, columns);
  expect(folded.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''));
});

import { describe, expect, test } from 'vitest';
import {
  createKeyPair,
  formatRemovals,
  formatWelcome,
  giveProofOfEnd,
  levelRemovals,
  LIST_BYTES_AT_ONCE,
  MAX_REMOVALS_PER_MESSAGE,
  parseRemovals,
  readHello,
  removalPosition,
  sayHello,
  signRemoval,
  type FilerError,
  type Hello,
  type Message,
  type Messenger,
  type Removal,
  type Welcome,
} from '@filer/protocol';
import { MemoryLedger } from '../support/removal-ledger.ts';
import { helloOf } from '../support/test-member.ts';
import { failureOf } from './outcome.ts';
import { connect, nextOf, TCP } from './wires.ts';

const key = createKeyPair();
const network = key.id;
const signed = (number: number, by = key): Removal =>
  signRemoval(by, { number, id: createKeyPair().id, removedAt: number });
const list = (count: number): Removal[] => Array.from({ length: count }, (_, index) => signed(index + 1));
const LONG = list(MAX_REMOVALS_PER_MESSAGE + 3);
const SHORT = LONG.slice(0, 2);
/** A restored server has given these numbers again. */
const FORKED = [...SHORT, signed(3), signed(4)];

async function accept(messenger: Messenger, ledger: MemoryLedger): Promise<void> {
  const { hello, version, welcome } = await readHello(messenger);
  messenger.setLimits({});
  await levelRemovals(messenger, ledger, hello);
  await welcome({ version, features: [], network, ...removalPosition(ledger), software: '1' });
}

test.each([
  ['the dialler knows more', LONG, SHORT],
  ['the accepter knows more', SHORT, LONG],
  ['only the dialler knows any', SHORT, []],
  ['only the accepter knows any', [], SHORT],
  ['both know the same', LONG, LONG],
  ['a restored server has given numbers again', LONG.slice(0, 5), FORKED],
  ['the same, the other way round', FORKED, LONG.slice(0, 5)],
  ['the same, and the number is equal', FORKED, LONG.slice(0, 4)],
  ['a fork is followed by a page and more', LONG, FORKED],
])('both know the same before the welcome where %s', async (_where, dialler, accepter) => {
  await using pair = await connect(TCP);
  const [near, far] = [new MemoryLedger(network, dialler), new MemoryLedger(network, accepter)];
  const [welcome] = await Promise.all([
    sayHello(pair.near, helloOf(network, {}), { removals: near }),
    accept(pair.far, far),
  ]);
  const known = new Set([...dialler, ...accepter]).size;

  expect([near.taken.length, far.taken.length]).toEqual([known - dialler.length, known - accepter.length]);
  expect(removalPosition(near)).toEqual(removalPosition(far));
  expect(welcome.removals).toBe(far.number);
});

describe('a dialler that is refused gets as a proof', () => {
  const last = LONG.at(-1)?.id ?? '';
  test.each([
    ['nothing, when it was never removed', createKeyPair().id, 0, undefined],
    ['the removals up to its own', LONG[1]?.id ?? '', 0, LONG.slice(0, 2)],
    ['its own, when it knows those before', LONG[1]?.id ?? '', 1, LONG.slice(1, 2)],
    ['one page, when its own is later', last, 0, LONG.slice(0, MAX_REMOVALS_PER_MESSAGE)],
    ['nothing, when it says that it knows all', last, LONG.length, undefined],
  ])('%s', async (_what, id, removals, proof) => {
    await using pair = await connect(TCP);
    const hello = helloOf(network, { features: ['removals'], removals });
    await giveProofOfEnd(pair.far, new MemoryLedger(network, LONG), hello, id);
    await pair.far.send({ type: 'end' });
    const given: unknown[] = [];
    for (
      let message = await nextOf(pair.near);
      message.header['type'] !== 'end';
      message = await nextOf(pair.near)
    )
      given.push(parseRemovals(message));

    expect(given).toEqual(proof === undefined ? [] : [proof]);
  });
});

describe('a hostile dialler', () => {
  async function levelWith(claim: Partial<Hello>, answer: (asked: Message) => Message): Promise<FilerError> {
    await using pair = await connect(TCP);
    const ledger = new MemoryLedger(network, SHORT);
    const hello = { ...helloOf(network, { features: ['removals'], ...claim }) };
    const levelled = failureOf(levelRemovals(pair.far, ledger, hello));
    const serve = async (): Promise<void> => {
      for (;;) {
        const { header, content } = answer(await nextOf(pair.near));
        await pair.near.send(header, content);
      }
    };
    serve().catch(() => undefined);
    const error = await levelled;
    expect(ledger.list.page(0).slice(0, 2)).toEqual(SHORT);
    return error;
  }
  const other = createKeyPair();
  const FORGED = [{ ...signed(3), removedAt: 9 }];

  test.each([
    ['that gives less than it says', 'verification-failed', 9, () => formatRemovals([])],
    ['that repeats itself forever', 'verification-failed', 9, () => formatRemovals(SHORT)],
    ['that leaves a gap', 'verification-failed', 9, () => formatRemovals([signed(4)])],
    ['with a bad signature', 'signature-invalid', 3, () => formatRemovals(FORGED)],
    ['with removals of another network', 'signature-invalid', 3, () => formatRemovals([signed(3, other)])],
    [
      'that answers something else',
      'unexpected-message',
      3,
      () => ({ header: { type: 'text' }, content: Buffer.alloc(0) }),
    ],
    [
      'that answers garbage',
      'message-malformed',
      3,
      () => ({ header: { type: 'removals' }, content: Buffer.from('{') }),
    ],
  ] as const)('%s is refused', async (_which, code, removals, answer) => {
    expect(await levelWith({ removals }, answer)).toMatchObject({ code });
  });

  test('with a wrong digest is asked for all once', async () => {
    await using pair = await connect(TCP);
    const ledger = new MemoryLedger(network, SHORT);
    const hello = helloOf(network, { features: ['removals'], removals: 2, removalsDigest: 'A'.repeat(43) });
    const levelled = levelRemovals(pair.far, ledger, hello);
    const asked = await nextOf(pair.near);
    const { header, content } = formatRemovals(SHORT);
    await pair.near.send({ ...header, re: '1' }, content);
    const given = await nextOf(pair.near);
    await levelled;

    expect(asked.header).toMatchObject({ type: 'removals-get', after: '0' });
    expect(given.header).toEqual({ type: 'removals' });
  });

  test('that does not speak of this is asked nothing', async () => {
    await using pair = await connect(TCP);
    await levelRemovals(pair.far, new MemoryLedger(network, SHORT), helloOf(network, { removals: 9 }));
    expect(pair.far.sentBytes).toBe(0);
  });
});

describe('a hostile accepter', () => {
  async function dialled(
    says: (messenger: Messenger, welcome: Welcome) => Promise<void>,
  ): Promise<FilerError> {
    await using pair = await connect(TCP);
    const ledger = new MemoryLedger(network, SHORT);
    const said = failureOf(sayHello(pair.near, helloOf(network, {}), { removals: ledger }));
    const welcome = { version: 1, features: ['removals'], network, removals: 2, software: '1' };
    await nextOf(pair.far);
    await says(pair.far, welcome).catch(() => undefined);
    const error = await said;
    expect(pair.near.open).toBe(false);
    return error;
  }
  const welcomeWith = async (messenger: Messenger, welcome: Welcome): Promise<void> => {
    const { header, content } = formatWelcome(welcome, '0');
    await messenger.send(header, content);
  };
  const give = (messenger: Messenger, removals: readonly Removal[]): Promise<void> => {
    const { header, content } = formatRemovals(removals);
    return messenger.send(header, content);
  };

  test('that says that it knows more and does not tell is left', async () => {
    const error = await dialled((to, welcome) => welcomeWith(to, { ...welcome, removals: 3 }));
    expect(error.code).toBe('verification-failed');
  });

  test('of an earlier version, which levels nothing, is no hostile one', async () => {
    await using pair = await connect(TCP);
    const said = sayHello(pair.near, helloOf(network, {}), { removals: new MemoryLedger(network, SHORT) });
    await nextOf(pair.far);
    await welcomeWith(pair.far, { version: 1, features: [], network, removals: 3, software: '1' });
    expect(await said).toMatchObject({ removals: 3 });
  });

  test('that gives a gap is left', async () => {
    expect(await dialled((to) => give(to, [signed(4)]))).toMatchObject({ code: 'verification-failed' });
  });

  test('that gives a bad signature is left', async () => {
    const error = await dialled((to) => give(to, [{ ...signed(3), removedAt: 9 }]));
    expect(error.code).toBe('signature-invalid');
  });

  test.each([
    ['gives the same forever', { type: 'removals' }, formatRemovals(SHORT).content],
    ['gives nothing forever', { type: 'removals' }, formatRemovals([]).content],
    ['asks forever', { type: 'removals-get', id: '1', after: '9' }, Buffer.alloc(0)],
  ])('that %s is left', async (_what, header, content) => {
    const error = await dialled(async (to) => {
      for (let times = 0; to.open && times < 2_000; times++) await to.send(header, content);
    });
    expect(error.code).toBe('verification-failed');
  });
});

test('a dialler that says again and again that it knows nothing is not given all of a long list each time', async () => {
  const page = LONG.slice(0, MAX_REMOVALS_PER_MESSAGE);
  const pages = Math.ceil(LIST_BYTES_AT_ONCE / formatRemovals(page).content.length);
  const endless = {
    number: pages,
    has: () => false,
    digestAt: () => '',
    page: (after: number) => page.map((removal) => ({ ...removal, number: after + 1 })),
    take: () => undefined,
  };
  const hello = helloOf(network, { features: ['removals'] });
  const level = async (holder: string): Promise<unknown> => {
    await using pair = await connect(TCP, { far: { holder } });
    void nothingOf(pair.near);
    const levelled = levelRemovals(pair.far, endless, hello);
    return await levelled.then(
      () => undefined,
      (error: unknown) => error,
    );
  };
  expect(await level('once')).toBeUndefined();
  expect(await level('once')).toMatchObject({ code: 'rate-limited' });
  expect(await level('another')).toBeUndefined();
});

/** Takes what comes, and looks at none of it. */
async function nothingOf(messenger: Messenger): Promise<void> {
  const messages = messenger[Symbol.asyncIterator]();
  while ((await messages.next()).done !== true);
}

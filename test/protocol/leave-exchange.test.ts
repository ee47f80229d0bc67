import { describe, expect, test } from 'vitest';
import {
  createKeyPair,
  hearLeaves,
  hearRemovals,
  leavesGetMessage,
  leavesMessage,
  levelRemovals,
  MAX_LEAVES_PER_MESSAGE,
  readHello,
  removalPosition,
  sayHello,
  signLeave,
  signRemoval,
  type FilerError,
  type Leave,
  type Message,
  type Messenger,
} from '@filer/protocol';
import { PaperNetwork } from '../ip-server/members.ts';
import { MemoryLeaves } from '../support/leave-ledger.ts';
import { MemoryLedger } from '../support/removal-ledger.ts';
import { helloOf } from '../support/test-member.ts';
import { failureOf } from './outcome.ts';
import { connect, nextOf, TCP } from './wires.ts';

const paper = new PaperNetwork();
const network = paper.networkKey.id;
const machine = createKeyPair();
const leaveOf = (key = createKeyPair(), serial = 5, admittedAt = 1_000_000): Leave =>
  signLeave(key, paper.membership('bob', key, serial, admittedAt), 1);
const byId = (leaves: readonly Leave[]): Leave[] =>
  leaves.toSorted((a, b) => (a.membership.id < b.membership.id ? -1 : 1));
const MANY = byId(Array.from({ length: 3 * MAX_LEAVES_PER_MESSAGE + 1 }, () => leaveOf()));
const FEW = MANY.slice(0, 2);
const OTHER = byId([leaveOf(), leaveOf()]);
const OLD = leaveOf(machine, 5);
const NEW = leaveOf(machine, 9, 2_000_000);
const BAD: readonly (readonly [string, Leave])[] = [
  ['with a bad signature', { ...OLD, leftAt: 2 }],
  ['that another machine has signed', signLeave(createKeyPair(), OLD.membership, 1)],
  ['of another network', signLeave(machine, new PaperNetwork().membership('bob', machine), 1)],
];

interface Side {
  readonly ledger: MemoryLedger;
  readonly leaves: MemoryLeaves;
}

function side(known: readonly Leave[]): Side {
  const leaves = new MemoryLeaves(network, known);
  return { leaves, ledger: new MemoryLedger(network, [], leaves) };
}

async function accept(messenger: Messenger, ledger: MemoryLedger): Promise<void> {
  const { hello, version, welcome } = await readHello(messenger);
  messenger.setLimits({});
  await levelRemovals(messenger, ledger, hello);
  await welcome({ version, features: [], network, ...removalPosition(ledger), software: '1' });
}

test.each([
  ['the dialler knows more', MANY, FEW],
  ['the accepter knows more', FEW, MANY],
  ['each knows what the other does not', OTHER, MANY],
  ['one knows an old leave of a machine, and the other a later one', [OLD], [NEW]],
  ['the same, the other way round', [NEW], [OLD]],
])(
  'both know the same before the welcome where %s, and no turn takes many',
  async (_where, dialler, accepter) => {
    await using pair = await connect(TCP);
    const [near, far] = [side(dialler), side(accepter)];
    await Promise.all([
      sayHello(pair.near, helloOf(network, {}), { removals: near.ledger }),
      accept(pair.far, far.ledger),
    ]);

    expect(near.leaves.digest).toBe(far.leaves.digest);
    expect(near.leaves.list.ends({ ...NEW.membership })).toBe(
      dialler.includes(NEW) || accepter.includes(NEW),
    );
    expect(Math.max(...near.leaves.taken, ...far.leaves.taken)).toBeLessThanOrEqual(5);
  },
);

test('each gives the other the leaves that it lacks, and the accepter none that the dialler has', async () => {
  await using pair = await connect(TCP);
  const [near, far] = [side([...MANY, OLD]), side([...MANY.slice(1), ...OTHER, NEW])];
  await Promise.all([
    sayHello(pair.near, helloOf(network, {}), { removals: near.ledger }),
    accept(pair.far, far.ledger),
  ]);

  expect(near.leaves.digest).toBe(far.leaves.digest);
  expect(near.leaves.taken.reduce((sum, leaves) => sum + leaves, 0)).toBe(OTHER.length + 1);
});

describe('a hostile dialler', () => {
  async function levelWith(answer: (asked: Message, times: number) => readonly Leave[]): Promise<FilerError> {
    await using pair = await connect(TCP);
    const { ledger, leaves } = side(FEW);
    const hello = helloOf(network, { features: ['removals'], leavesDigest: 'A'.repeat(43) });
    const levelled = failureOf(levelRemovals(pair.far, ledger, hello));
    const serve = async (): Promise<void> => {
      for (let times = 0; ; times++) {
        const { header, content } = leavesMessage.format({ leaves: answer(await nextOf(pair.near), times) });
        await pair.near.send(header, content);
      }
    };
    serve().catch(() => undefined);
    const error = await levelled;
    expect(leaves.page('')).toEqual(FEW);
    return error;
  }

  test.each(BAD)('that gives a leave %s is refused', async (_which, leave) => {
    expect(await levelWith(() => [leave])).toMatchObject({ code: 'signature-invalid' });
  });

  test('that gives the same page forever is refused', async () => {
    expect(await levelWith(() => FEW)).toMatchObject({ code: 'verification-failed' });
  });
});

describe('a hostile accepter', () => {
  async function dialled(says: (messenger: Messenger) => Promise<void>): Promise<FilerError> {
    await using pair = await connect(TCP);
    const { ledger, leaves } = side(FEW);
    const said = failureOf(sayHello(pair.near, helloOf(network, {}), { removals: ledger }));
    await nextOf(pair.far);
    await says(pair.far).catch(() => undefined);
    const error = await said;
    expect(pair.near.open).toBe(false);
    expect(leaves.page('')).toEqual(FEW);
    return error;
  }
  const give = (to: Messenger, leaves: readonly Leave[]): Promise<void> => {
    const { header, content } = leavesMessage.format({ leaves });
    return to.send(header, content);
  };

  test.each(BAD)('that gives a leave %s is left', async (_which, leave) => {
    expect(await dialled((to) => give(to, [leave]))).toMatchObject({ code: 'signature-invalid' });
  });

  test.each([
    ['gives the same', leavesMessage.format({ leaves: FEW })],
    ['gives nothing', leavesMessage.format({ leaves: [] })],
    ['asks', leavesGetMessage.format({ after: '' })],
  ])('that %s forever is left', async (_what, { header, content }) => {
    const error = await dialled(async (to) => {
      for (let times = 0; to.open && times < 2_000; times++) await to.send(header, content);
    });
    expect(error.code).toBe('verification-failed');
  });
});

describe('what comes unasked in a session', () => {
  test.each(BAD)('ends it when it is a leave %s; what came before it stays', async (_which, leave) => {
    await using pair = await connect(TCP);
    const { ledger, leaves } = side([]);
    const error = await failureOf(hearLeaves(ledger, [...FEW, leave], pair.near));

    expect(error.code).toBe('signature-invalid');
    expect(leaves.page('')).toEqual(FEW);
    expect((await nextOf(pair.far)).header).toMatchObject({ type: 'error', code: 'signature-invalid' });
    await pair.near.closed;
  });

  test('ends it when it is a removal with a gap before it', async () => {
    await using pair = await connect(TCP);
    const removal = signRemoval(paper.networkKey, { number: 3, id: machine.id, removedAt: 1 });
    const error = await failureOf(hearRemovals(new MemoryLedger(network), [removal], pair.near));

    expect(error.code).toBe('verification-failed');
    expect((await nextOf(pair.far)).header).toMatchObject({ type: 'error' });
    await pair.near.closed;
  });

  test('revives nothing and ends nothing when it is an old leave of a machine that has joined again', async () => {
    await using pair = await connect(TCP);
    const { ledger, leaves } = side([OLD]);
    await hearLeaves(ledger, [OLD], pair.near);
    const again = paper.membership('bob', machine, 8, 1_500_000);

    expect(leaves.list.ends(again)).toBe(false);
    expect(pair.near.open).toBe(true);
  });
});

test('removals and leaves of one page are taken in a few a turn', async () => {
  await using pair = await connect(TCP);
  const { ledger, leaves } = side([]);
  const sizes: number[] = [];
  const take = ledger.take.bind(ledger);
  ledger.take = (removals) => {
    sizes.push(removals.length);
    take(removals);
  };
  const removals = Array.from({ length: 50 }, (_, index) =>
    signRemoval(paper.networkKey, { number: index + 1, id: createKeyPair().id, removedAt: 1 }),
  );
  await hearRemovals(ledger, removals, pair.near);
  await hearLeaves(ledger, MANY.slice(0, MAX_LEAVES_PER_MESSAGE), pair.near);

  expect([ledger.number, Math.max(...sizes)]).toEqual([50, 20]);
  expect(leaves.taken).toEqual([5, 5, 5, 5, 5, 5]);
});

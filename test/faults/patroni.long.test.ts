import { expect, test } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import { needs } from '../support/needs.ts';
import { PatroniCluster } from '../support/patroni.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';

const ROUNDS = 4;
const SPOOL = 'ab'.repeat(16);
/** Reports that are stored before and after each kill. */
const BEFORE = 30;
const AFTER = 30;

test.skipIf(needs('patroni', 'etcd') || needs.postgres() || needs.root())(
  `no acknowledged report is lost, and none is there twice, through ${ROUNDS} kills of the primary under load`,
  async () => {
    await using database = await PatroniCluster.start();
    await using server = await RunningServer.start(['--store', database.address]);
    await using anna: MemberConnection = await (
      await TestMember.join(await server.invite(), 'anna')
    ).connect();
    const acknowledged: number[] = [];
    /** Sends each until it is acknowledged, as a client does from its spool. */
    const send = async (count: number): Promise<void> => {
      for (const end = acknowledged.length + count; acknowledged.length < end;) {
        const seq = acknowledged.length + 1;
        const isStored = await anna.report(seq, {}, SPOOL).then(
          () => true,
          () => false,
        );
        if (isStored) acknowledged.push(seq);
      }
    };
    for (let round = 0; round < ROUNDS; round++) {
      const primary = await database.isReplicated();
      await send(BEFORE);
      const sending = send(AFTER);
      await database.kill(primary);
      await sending;
      expect(await server.peer('anna')).toMatchObject({ online: true });
      database.resume(primary);
    }
    await database.isReplicated();

    const stored = (await server.reports()).map(({ seq }) => Number(seq));
    expect(stored.toSorted((a, b) => a - b)).toEqual(acknowledged);
    // What is stored once a minute has been tried again by then.
    await expect
      .poll(() => server.json('status'))
      .toMatchObject({ storeProblem: null, store: { reachable: true } });
  },
);

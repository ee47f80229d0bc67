import { expect, test } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import { needs } from '../support/needs.ts';
import { PatroniCluster } from '../support/patroni.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';

const ROUNDS = 25;
/** In one of so many rounds the whole machine is lost, which takes 20 s to be noticed; in the others its PostgreSQL alone. */
const MACHINE_EVERY = 5;
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
    const goneMs: number[] = [];
    let primary = await database.isReplicated();
    for (let round = 1; round <= ROUNDS; round++) {
      await send(BEFORE);
      const isMachine = round % MACHINE_EVERY === 0;
      const sending = send(AFTER);
      await (isMachine ? database.kill(primary) : database.crash(primary));
      const goneAt = performance.now();
      await sending;
      goneMs.push(performance.now() - goneAt);
      expect(await server.peer('anna')).toMatchObject({ online: true });
      if (isMachine) database.resume(primary);
      primary = await database.isReplicated(primary);
    }
    process.stdout.write(
      `${ROUNDS} rounds, ${acknowledged.length} reports, stored again after at most ${Math.max(...goneMs).toFixed(0)} ms\n`,
    );

    const stored = (await server.reports()).map(({ seq }) => Number(seq));
    expect(stored.toSorted((a, b) => a - b)).toEqual(acknowledged);
    // What is stored once a minute has been tried again by then.
    await expect
      .poll(() => server.json('status'))
      .toMatchObject({ storeProblem: null, store: { reachable: true } });
  },
);

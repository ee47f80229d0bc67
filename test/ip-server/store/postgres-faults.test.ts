import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeReportBody, FilerError, type ErrorCode } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Store } from '../../../apps/ip-server/src/store/interfaces.ts';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../../support/ip-server.ts';
import { until } from '../../support/in-process.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { reportsFound } from '../../support/reports-found.ts';

function report(seq: number, title = ''): Parameters<Store['reports']['append']>[0][number] {
  const body = { title, values: [], schedule: '' };
  return {
    ...{ peer: 'ANNA', receivedAt: 1, content: encodeReportBody(body) },
    report: { ...body, spool: 'a'.repeat(32), seq, time: 1, kind: 'user' },
  };
}

const failsWith = (code: ErrorCode) => expect.objectContaining({ code }) as unknown;

describe.skipIf(needs.postgres())('PostgreSQL', () => {
  let cluster: PostgresCluster;
  let address: string;
  beforeAll(async () => {
    // What was acknowledged is on the disk: this one is killed.
    cluster = await PostgresCluster.start([]);
    address = await cluster.freshDatabase();
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  async function open(place = address): Promise<Store> {
    const store = await openStore(place);
    onTestFinished(() => store.close());
    return store;
  }

  test('a database that is killed loses nothing that was stored, and is used again when it is back', async () => {
    const store = await open();
    const stored: number[] = [];
    const refused: unknown[] = [];
    let isEnding = false;
    const writer = (async () => {
      for (let seq = 1; refused.length === 0; seq++) {
        try {
          await store.reports.append([report(seq)]);
          stored.push(seq);
        } catch (error) {
          if (!isEnding) throw error;
          refused.push(error);
        }
      }
    })();
    await until(
      () => Promise.resolve(stored.length),
      (count) => count >= 5,
    );
    isEnding = true;
    await cluster.end();
    await writer;
    await expect(store.registry.members()).rejects.toEqual(failsWith('timed-out'));
    await cluster.resume();
    const found = (await reportsFound(store.reports.query({}))).map((each) => each.report.seq);
    // One whose answer was lost may be there; sent again it is the same one.
    expect(found.slice(0, stored.length)).toEqual(stored);
    expect(await store.reports.append([report(stored.length + 1)])).toEqual(['stored']);
    expect(await reportsFound(store.reports.query({}))).toHaveLength(stored.length + 1);
  });

  test('a database that cannot be reached is said to be', async () => {
    const nowhere = `postgres://filer@/filer?host=${await freshFolder()}`;
    await expect(openStore(nowhere)).rejects.toEqual(failsWith('timed-out'));
  });

  test('a database that is not there, and a user it does not know, are said to be', async () => {
    const other = address.replace(/\/t[0-9a-f]+\?/, '/other?');
    await expect(openStore(other)).rejects.toEqual(failsWith('configuration-invalid'));
    await expect(openStore(address.replace('filer@', 'anna@'))).rejects.toEqual(
      failsWith('configuration-invalid'),
    );
  });

  test('a password is read from its file, and a file that cannot be read is said to be', async () => {
    const passwordFile = join(await freshFolder(), 'password');
    await expect(openStore(address, { passwordFile })).rejects.toEqual(failsWith('configuration-invalid'));
    await writeFile(passwordFile, 'geheim\n');
    await (await openStore(address, { passwordFile })).close();
  });

  test('a database of a newer server is refused, and left as it is', async () => {
    const place = await cluster.freshDatabase();
    await (await openStore(place)).close();
    const name = /\/(t[0-9a-f]+)/.exec(place)?.[1] ?? '';
    await cluster.sql(name, 'UPDATE filer.version SET number = 99');

    await expect(openStore(place)).rejects.toMatchObject({
      code: 'store-damaged',
      message: expect.stringMatching(/newer.*99/) as string,
    });
    expect(await cluster.sql(name, 'SELECT number FROM filer.version')).toEqual([{ number: 99 }]);
  });

  test('a running server outlasts a change of its tables, and does not use those of a newer one', async () => {
    const place = await cluster.freshDatabase();
    const store = await open(place);
    const name = /\/(t[0-9a-f]+)/.exec(place)?.[1] ?? '';
    expect(await store.registry.members()).toEqual([]);
    await cluster.sql(name, 'ALTER TABLE filer.members ADD COLUMN hue text');
    await expect(store.registry.members()).rejects.toEqual(failsWith('timed-out'));
    expect(await store.registry.members()).toEqual([]);
    await cluster.sql(
      name,
      'ALTER TABLE filer.members DROP COLUMN hue; UPDATE filer.version SET number = 99',
    );
    await expect(store.registry.members()).rejects.toEqual(failsWith('timed-out'));
    await expect(store.registry.members()).rejects.toMatchObject({
      code: 'store-damaged',
      message: expect.stringMatching(/newer.*99/) as string,
    });
  });

  test('a running server of an older version is told so when a table that it knows is there no more', async () => {
    const place = await cluster.freshDatabase();
    const store = await open(place);
    const name = /\/(t[0-9a-f]+)/.exec(place)?.[1] ?? '';
    expect(await store.servers?.mailbox('A')).toEqual([]);
    await cluster.sql(name, 'ALTER TABLE filer.mailbox RENAME TO post; UPDATE filer.version SET number = 99');
    const newer = { code: 'store-damaged', message: expect.stringMatching(/newer.*99/) as string };
    await expect(store.servers?.mailbox('A')).rejects.toMatchObject(newer);
    await expect(store.registry.members()).rejects.toMatchObject(newer);
  });

  test('two servers that start at once on tables of an older version bring them up to date once, with what is in them', async () => {
    const place = await cluster.freshDatabase();
    await (await openStore(place)).close();
    const name = /\/(t[0-9a-f]+)/.exec(place)?.[1] ?? '';
    await cluster.sql(
      name,
      `ALTER TABLE filer.servers DROP COLUMN run;
      ALTER TABLE filer.mailbox RENAME TO letters; ALTER INDEX filer.mailbox_of RENAME TO letters_of;
      INSERT INTO filer.letters (server, peers, header, content) VALUES ('A', '["B"]', '{}', '');
      UPDATE filer.version SET number = 3`,
    );
    const stores = await Promise.all([open(place), open(place)]);
    await stores[0]?.servers?.enter({ id: 'A', addresses: [], software: '' });
    const taken = await Promise.all(stores.map(async ({ servers }) => await servers?.mailbox('A')));
    expect(taken.flat()).toHaveLength(1);
    expect(await cluster.sql(name, 'SELECT number FROM filer.version')).toEqual([{ number: 5 }]);
  });

  test('tables that take long to be changed are waited for, by each server that starts', async () => {
    const place = await cluster.freshDatabase();
    await (await openStore(place)).close();
    const name = /\/(t[0-9a-f]+)/.exec(place)?.[1] ?? '';
    // The database would end a statement that takes too long.
    await cluster.sql(
      name,
      `CREATE FUNCTION has_no_limit() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('statement_timeout') <> '0' THEN RAISE 'a limit'; END IF;
        PERFORM pg_sleep(0.4);
      END $$;
      ALTER TABLE filer.servers DROP COLUMN run; UPDATE filer.version SET number = 4;
      CREATE EVENT TRIGGER has_no_limit ON ddl_command_start EXECUTE FUNCTION has_no_limit()`,
    );
    const stores = await Promise.all([1, 2].map(() => openStore(place, { answerMs: 200 })));
    for (const store of stores) await store.close();
    expect(await cluster.sql(name, 'SELECT number FROM filer.version')).toEqual([{ number: 5 }]);
  });

  test('a copy keeps out a server whose connections had ended when it began', async () => {
    const place = await cluster.freshDatabase();
    const name = /\/(t[0-9a-f]+)/.exec(place)?.[1] ?? '';
    const [server, copy] = [await open(place), await open(place)];
    await expect(copy.contents?.reserve()).rejects.toEqual(failsWith('already-running'));
    await cluster.sql(
      name,
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    const outcome = (): Promise<unknown> =>
      server.registry.members().catch((error: unknown) => (error instanceof FilerError ? error.code : error));
    // What is left of the connections of both is noticed first.
    const reserved = await until(
      () => copy.contents?.reserve().catch(() => undefined) ?? Promise.resolve(undefined),
      (each) => each !== undefined,
    );
    await expect.poll(outcome).toBe('already-running');
    expect(await copy.registry.members()).toEqual([]);
    await reserved?.[Symbol.asyncDispose]();
    await copy.close();
    await expect.poll(outcome).toEqual([]);
  });

  test('a database that stands still is given up', async () => {
    const store = await open(await cluster.freshDatabase());
    using _still = cluster.standStill();
    const waiting = store.registry.members();
    store.giveUp?.();
    await expect(waiting).rejects.toEqual(failsWith('timed-out'));
    await expect(store.registry.members()).rejects.toEqual(failsWith('interrupted'));
    await store.close();
  });

  test('servers that make the tables at the same time make them once', async () => {
    const place = await cluster.freshDatabase();
    const stores = await Promise.all([1, 2, 3].map(() => open(place)));

    expect(new Set(stores.map(({ registry }) => registry.epoch)).size).toBe(1);
  });

  test('servers that store at the same time give each report one number, and know each other’s', async () => {
    const place = await cluster.freshDatabase();
    const stores = await Promise.all([1, 2, 3].map(() => open(place)));
    // Each report goes to all of them, as one does whose client changes servers before it has the answer.
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, async (_, n) => await stores[n % 3]?.reports.append([report(1 + (n % 10))])),
    );
    expect(outcomes.flat()).toEqual(outcomes.map(() => 'stored'));
    const found = await reportsFound((await open(place)).reports.query({}));

    expect(found.map(({ id }) => Number(id))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(new Set(found.map((each) => each.report.seq)).size).toBe(10);
  });

  test('a text with a NUL is stored', async () => {
    const store = await open(await cluster.freshDatabase());
    expect(await store.reports.append([report(1, 'a\0b')])).toEqual(['stored']);
    expect((await reportsFound(store.reports.query({ title: 'a?b' })))[0]?.report.title).toBe('a\0b');
  });
});

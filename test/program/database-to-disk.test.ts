import { copyFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Database, type Schema } from '@filer/program';
import { beforeEach, expect, onTestFinished, test } from 'vitest';

const SCHEMA: Schema = {
  program: 'ip-server',
  applicationId: 7,
  versions: ['CREATE TABLE things (name TEXT NOT NULL) STRICT'],
  remedy: 'look after it',
  replaceRemedy: 'move it away',
};

interface Sync extends PromiseWithResolvers<void> {
  /** The file. */
  readonly of: string;
}

const syncs: Sync[] = [];

let file: string;
let database: Database;
beforeEach(async () => {
  syncs.length = 0;
  const folder = await mkdtemp(join(tmpdir(), 'filer-database-'));
  file = join(folder, 'test.db');
  database = new Database(file, SCHEMA, {
    syncData: (descriptor) => {
      const sync = { of: readlinkSync(`/proc/self/fd/${descriptor}`), ...Promise.withResolvers<void>() };
      syncs.push(sync);
      return sync.promise;
    },
  });
  database.exec('PRAGMA wal_checkpoint(RESTART)');
  onTestFinished(async () => {
    database.close();
    await rm(folder, { recursive: true });
  });
});

function add(name: string): void {
  database.transactionSoon(() => database.prepare('INSERT INTO things VALUES (?)').run(name));
}

/** What is in the database itself, without its journal. */
function withoutJournal(): unknown[] {
  copyFileSync(file, `${file}-copy`);
  using copy = new DatabaseSync(`${file}-copy`);
  return copy.prepare('SELECT name FROM things').all();
}

const failed = Object.assign(new Error('EIO: i/o error'), { code: 'EIO', syscall: 'fdatasync' });
const failure = expect.objectContaining({
  code: 'home-not-writable',
  message: expect.stringContaining('EIO'),
});

test.runIf(process.platform === 'linux')(
  'what was committed is on the disk once its journal was synced',
  async () => {
    add('ball');
    let isOnDisk = false;
    const first = database.toDisk().then(() => (isOnDisk = true));
    expect(syncs.map(({ of }) => of)).toEqual([`${file}-wal`]);
    add('hoop');
    const second = database.toDisk();
    expect(isOnDisk).toBe(false);
    syncs[0]?.resolve();
    await first;
    await expect.poll(() => syncs.length).toBe(2);
    syncs[1]?.resolve();
    await second;
  },
);

test.runIf(process.platform === 'linux')(
  'what a failed sync may have lost is put into the database itself before anything else counts as synced',
  async () => {
    add('ball');
    const lost = database.toDisk();
    syncs[0]?.reject(failed);
    await expect(lost).rejects.toEqual(failure);
    expect(withoutJournal()).toEqual([]);

    const next = database.toDisk();
    expect(withoutJournal()).toEqual([{ name: 'ball' }]);
    // A part of the journal that the disk has would be read over what is in the database.
    expect(statSync(`${file}-wal`).size).toBe(0);
    syncs[1]?.resolve();
    await next;
  },
);

test.runIf(process.platform === 'linux')(
  'what is on the disk is not synced again, and what an earlier process committed is',
  async () => {
    add('ball');
    const first = database.toDisk();
    syncs[0]?.resolve();
    await first;
    await database.toDisk();
    expect(syncs.length).toBe(1);

    using another = new Database(file, SCHEMA, {
      syncData: () => {
        syncs.push({ of: 'another', ...Promise.withResolvers<void>() });
        return Promise.resolve();
      },
    });
    await another.toDisk();
    expect(syncs.map(({ of }) => of)).toEqual([`${file}-wal`, 'another']);
  },
);

test.runIf(process.platform === 'linux')(
  'a database that is closed after a failed sync is on the disk where nothing is left of its journal',
  async () => {
    const another = new Database(file, SCHEMA);
    onTestFinished(() => another.close());
    add('ball');
    const lost = database.toDisk();
    syncs[0]?.reject(failed);
    await expect(lost).rejects.toEqual(failure);
    database.close();
    await expect(database.toDisk()).rejects.toMatchObject({ code: 'home-not-writable' });
    another.close();
    await database.toDisk();
    expect(withoutJournal()).toEqual([{ name: 'ball' }]);
  },
);

test.runIf(process.platform === 'linux')(
  'a database that is closed meanwhile is on the disk all the same',
  async () => {
    add('ball');
    const synced = database.toDisk();
    database.close();
    database.close();
    syncs[0]?.resolve();
    await synced;
    expect(withoutJournal()).toEqual([{ name: 'ball' }]);
  },
);

import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Database } from '@filer/program';
import { openDatabase } from '../../apps/filer-client/src/store/database.ts';
import { readMembershipFile } from '../../apps/filer-client/src/store/membership-file.ts';
import { Spool } from '../../apps/filer-client/src/store/spool.ts';
import { spoolReport } from '../../apps/filer-client/src/reports/spool-report.ts';
import { filesBelow, listOf, sha256, TestNetwork } from '../support/test-network.ts';

/** One report in so many has files; one of those in so many has a large one, which is resumed. */
const FILES_EVERY = 5;
const LARGE_EVERY = 3;
const LARGE_BYTES = 3 * 1024 * 1024;

/** Reports with and without files that flow while their daemon or their server is killed, and what must be there after. */
export class ReportRounds implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly #database: Database;
  readonly #spool: Spool;
  /** Digests of the files of each report, by its number and their names. */
  readonly #files = new Map<number, ReadonlyMap<string, string>>();
  #made = 0;

  private constructor(network: TestNetwork, database: Database, spool: Spool) {
    this.network = network;
    this.#database = database;
    this.#spool = spool;
  }

  /** anna has joined, and no daemon runs. */
  static async open(): Promise<ReportRounds> {
    const network = await TestNetwork.open();
    await network.join('anna');
    const home = network.home('anna');
    const membership = await readMembershipFile(join(home, 'membership.json'));
    if (membership === undefined) throw new Error('anna has joined');
    const database = openDatabase(join(home, 'filer.db'));
    const spool = new Spool(database, membership.membership.network, join(home, 'attachments'));
    return new ReportRounds(network, database, spool);
  }

  /** Reports made so far. */
  get made(): number {
    return this.#made;
  }

  /** Puts reports into anna's spool, as a command without a daemon does; their files are gone before this returns. */
  async report(count: number): Promise<void> {
    for (let each = 0; each < count; each++) {
      const n = this.#made++;
      const attach = n % FILES_EVERY === 0 ? await this.#makeFiles(n) : [];
      const body = { title: '', values: [['n', String(n)]], schedule: '' } as const;
      await spoolReport({ spool: this.#spool }, { kind: 'user', time: Date.now(), body, attach });
      for (const path of attach) await rm(path);
    }
  }

  async #makeFiles(n: number): Promise<string[]> {
    const folder = this.network.path(`made-${n}`);
    await mkdir(folder);
    const sizes = [
      randomInt(1, 2_000),
      n % (FILES_EVERY * LARGE_EVERY) === 0 ? LARGE_BYTES : randomInt(0, 80_000),
    ];
    const digests = new Map<string, string>();
    const paths: string[] = [];
    for (const [at, size] of sizes.entries()) {
      const path = join(folder, `${n}-${at}.bin`);
      await writeFile(path, randomBytes(size));
      digests.set(`${n}-${at}.bin`, await sha256(path));
      paths.push(path);
    }
    this.#files.set(n, digests);
    return paths;
  }

  /** Kills the daemon or the server at some moment, and starts it again. */
  async kill(victim: 'anna' | 'server'): Promise<void> {
    await wait(randomInt(0, 400)); // a moment like any other
    if (victim === 'server') {
      await this.network.server.stop('SIGKILL');
      await this.network.startServer();
    } else {
      await this.network.daemon('anna').stop('SIGKILL');
      await this.network.startAlone('anna');
    }
  }

  /** Resolves when nothing waits in anna's spool. */
  async drained(): Promise<void> {
    while (this.#spool.size > 0) await wait(50);
  }

  /** What is wrong with what the server has, in words. */
  async faults(): Promise<string[]> {
    const faults: string[] = [];
    const reports = listOf(await this.network.askServer('reports'), 'reports');
    const numbers = reports.map((report) => Number((report['values'] as { n?: string }).n));
    numbers.forEach((n, at) => {
      if (n !== at) faults.push(`report ${n} is at place ${at}`);
    });
    if (numbers.length !== this.#made)
      faults.push(`${numbers.length} reports are there, ${this.#made} were made`);
    for (const report of reports) {
      const n = Number((report['values'] as { n?: string }).n);
      const digests = this.#files.get(n);
      if (digests === undefined) continue;
      const key = join(String(report['peerId']), `${String(report['spool'])}-${String(report['seq'])}`);
      for (const [name, digest] of digests) {
        const found = await sha256(join(this.network.serverHome, 'attachments', key, name)).catch(
          () => 'missing',
        );
        if (found !== digest) faults.push(`${name} of report ${n} is ${found}`);
      }
    }
    if (this.#spool.refusedSize > 0) faults.push(`${this.#spool.refusedSize} reports were refused`);
    const copies = await filesBelow(join(this.network.home('anna'), 'attachments'));
    if (copies.length > 0) faults.push(`${copies.length} copies are left behind`);
    const halves = (await filesBelow(join(this.network.serverHome, 'attachments'))).filter((path) =>
      path.includes('.filer-part-kept'),
    );
    if (halves.length > 0) faults.push(`${halves.length} half files are left behind`);
    return faults;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
    await this.network.close();
  }
}

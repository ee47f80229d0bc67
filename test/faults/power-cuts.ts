import { mkdir, rm } from 'node:fs/promises';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { DaemonProcess, jsonLines, runProgram } from '../support/programs.ts';
import { TestMember, type MemberConnection } from '../support/test-member.ts';
import { listOf, sha256, TestNetwork } from '../support/test-network.ts';
import { ImageDisk } from './image-disk.ts';

const IMAGE_BYTES = 192 * 1024 * 1024;

/** In a folder that is sent now and then. */
const SMALL_FILES = 100;

/** A network whose homes are all on one small disk, which is cut off while its programs stand still for a moment. */
export class PowerCuts implements AsyncDisposable {
  readonly #disk: ImageDisk;
  readonly #network: TestNetwork;
  readonly #connection: MemberConnection;
  /** Numbers of reports that the server said it has. */
  readonly #stored: number[] = [];
  /** Digests of files that a command said were delivered, by name. */
  readonly #delivered = new Map<string, string>();
  #reported = 0;
  #sent = 0;
  #over = false;

  private constructor(disk: ImageDisk, network: TestNetwork, connection: MemberConnection) {
    this.#disk = disk;
    this.#network = network;
    this.#connection = connection;
  }

  static async open(): Promise<PowerCuts> {
    const disk = await ImageDisk.open(IMAGE_BYTES);
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = disk.path;
    try {
      const network = await TestNetwork.open({ running: ['anna', 'bob'] });
      await network.seesAs('anna', 'bob', 'online');
      const member = await TestMember.join(await network.invite(), 'reporter');
      return new PowerCuts(disk, network, await member.connect());
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
  }

  /** Reports and files on their way until the end; @returns the end. @param folders whether folders of many small files go, too */
  work(folders = false): Promise<unknown> {
    return Promise.all([this.#report(), this.#send(folders)]);
  }

  async #report(): Promise<void> {
    while (!this.#over) {
      const numbers = Array.from({ length: 20 }, () => ++this.#reported);
      await Promise.all(
        numbers.map(async (n) => {
          await this.#connection.report(n);
          this.#stored.push(n);
        }),
      );
      await wait(50);
    }
  }

  async #send(folders: boolean): Promise<void> {
    while (!this.#over) {
      if (++this.#sent % 3 === 0 && folders) await this.#sendMany(`folder-${this.#sent}`);
      const name = `file-${this.#sent}`;
      const path = await this.#network.file(name, randomInt(1, 300_000));
      const digest = await sha256(path);
      const { code, stderr } = await this.#network.client('anna', ['send', path, '--to', 'bob']);
      if (code !== 0) throw new Error(`send failed: ${stderr}`);
      this.#delivered.set(name, digest);
      await rm(path);
    }
  }

  /** So many small files that they go to the disk together. */
  async #sendMany(folder: string): Promise<void> {
    const path = this.#network.path(folder);
    await mkdir(path);
    const digests = new Map<string, string>();
    for (let n = 0; n < SMALL_FILES; n++) {
      const name = `${folder}/file-${n}`;
      digests.set(name, await sha256(await this.#network.file(name, randomInt(1, 3_000))));
    }
    const { code, stderr } = await this.#network.client('anna', ['send', path, '--to', 'bob']);
    if (code !== 0) throw new Error(`send failed: ${stderr}`);
    for (const [name, digest] of digests) this.#delivered.set(name, digest);
    await rm(path, { recursive: true });
  }

  /** @returns what was acknowledged and is not on the disk after a power cut at this moment, in words */
  async cut(): Promise<string[]> {
    await wait(randomInt(0, 500)); // a moment like any other
    const programs = ['server', 'anna', 'bob'].map((name) => this.#network.daemon(name).child);
    for (const program of programs) program.kill('SIGSTOP');
    const [stored, delivered] = [[...this.#stored], new Map(this.#delivered)];
    await this.#disk.cut();
    for (const program of programs) program.kill('SIGCONT');
    return await this.#disk.look((there) => this.#missing(there(this.#network.folder), stored, delivered));
  }

  async #missing(
    folder: string,
    stored: readonly number[],
    delivered: ReadonlyMap<string, string>,
  ): Promise<string[]> {
    const missing: string[] = [];
    const home = join(folder, 'server');
    const server = await DaemonProcess.start('ip-server', ['--host', '127.0.0.1', '--port', '0'], home);
    const asked = await runProgram('ip-server', ['reports', '--json'], home);
    await server.stop();
    const there = new Set(listOf(jsonLines(asked)[0], 'reports').map(({ seq }) => Number(seq)));
    for (const n of stored) if (!there.has(n)) missing.push(`report ${n} of ${stored.length}`);
    for (const [name, digest] of delivered) {
      const found = await sha256(join(folder, 'bob', 'inbox', 'anna', name)).catch(() => 'missing');
      if (found !== digest) missing.push(`${name} is ${found}`);
    }
    return missing;
  }

  get figures(): string {
    return `${this.#stored.length} reports and ${this.#delivered.size} files were acknowledged`;
  }

  /** Lets what is on its way end. */
  stop(): void {
    this.#over = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
    await this.#network.close();
    await this.#disk[Symbol.asyncDispose]();
  }
}

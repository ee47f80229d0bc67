import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PART_PREFIX } from '@filer/transfer';
import { jsonLines, type Outcome } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, sha256, TestNetwork } from '../support/test-network.ts';

const MiB = 1024 * 1024;
/** What may travel twice after a cut; and files of a tree that were whole, and not yet in their place. */
const TWICE_BYTES = 9 * MiB;
const UNPLACED_BYTES = MiB;

const VICTIMS = ['receiver', 'sender', 'cable', 'server'] as const;

/** What one round sends: its files, by their path below the folder that holds them. */
interface Payload {
  readonly path: string;
  readonly bytes: number;
  readonly digests: ReadonlyMap<string, string>;
}

/** Transfers that are killed at random points, again and again, and what must be true after each. */
export class KillRounds implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly #proxy: TcpProxy;
  #round = 0;

  private constructor(network: TestNetwork, proxy: TcpProxy) {
    this.network = network;
    this.#proxy = proxy;
  }

  /** anna sends from a daemon, carol from the command itself, which is what is killed of a sender. */
  static async open(): Promise<KillRounds> {
    const network = await TestNetwork.open({ running: ['anna'] });
    const rounds = new KillRounds(network, await TcpProxy.open());
    await Promise.all([network.join('bob'), network.join('carol')]);
    await rounds.#startBob();
    await network.seesAs('anna', 'bob', 'online');
    await network.seesAs('carol', 'bob', 'online');
    return rounds;
  }

  /** One transfer, killed once, and the same command again where it failed. @returns what was wrong, in words */
  async run(): Promise<string[]> {
    const round = this.#round++;
    const victim = VICTIMS[round % VICTIMS.length] ?? 'cable';
    const sender = victim === 'sender' ? 'carol' : 'anna';
    const isFile = Math.floor(round / VICTIMS.length) % 2 === 0;
    const payload = isFile ? await this.#large(round) : await this.#tree(round);
    const point = randomInt(2_000, payload.bytes);
    const wrong: string[] = [];
    const check = (isRight: boolean, what: string): void => {
      if (!isRight) wrong.push(`round ${round}, ${victim} at byte ${point} of ${payload.bytes}: ${what}`);
    };

    const held = this.#proxy.hold(point);
    const command = this.network.follow(sender, ['send', payload.path, '--to', 'bob', '--json']);
    await held;
    await this.#kill(victim, () => command.stop('SIGKILL'));
    const killed = await command.ended;
    const twice = isFile ? TWICE_BYTES : TWICE_BYTES + UNPLACED_BYTES;
    (await this.#notWhole(sender, payload)).forEach((file) => check(false, `${file} is not whole`));
    if (killed.code === 0) {
      check(sentBytes(killed) <= payload.bytes + twice, `${sentBytes(killed)} bytes were sent`);
    } else {
      // Before the first welcome a cut cannot be told from a machine that is off.
      const isExpected = victim === 'sender' ? killed.code === null : point < 10_000 && killed.code === 5;
      check(isExpected, `exit ${killed.code}: ${killed.stderr}`);
      const again = await this.network.client(sender, ['send', payload.path, '--to', 'bob', '--json']);
      check(again.code === 0, `then exit ${again.code}: ${again.stderr}`);
      check(sentBytes(again) <= payload.bytes - point + twice, `then ${sentBytes(again)} bytes were sent`);
    }
    (await this.#notWhole(sender, payload)).forEach((file) => check(false, `${file} is not whole then`));
    const there = await filesBelow(this.network.inbox('bob'));
    const all = [...payload.digests.keys()].map((name) => join(sender, name));
    for (const name of all) check(there.includes(name), `${name} is missing`);
    for (const name of there) check(all.includes(name), `${name} is left over`);
    await rm(payload.path, { recursive: true });
    await rm(this.network.inbox('bob', sender), { recursive: true });
    return wrong;
  }

  async #kill(victim: (typeof VICTIMS)[number], killSender: () => Promise<unknown>): Promise<void> {
    const proxy = this.#proxy;
    switch (victim) {
      case 'receiver':
        await this.network.daemon('bob').stop('SIGKILL');
        proxy.cut();
        return this.#startBob();
      case 'sender':
        await killSender();
        return proxy.cut();
      case 'server':
        await this.network.server.stop('SIGKILL');
        proxy.release();
        await this.network.startServer();
        return;
      case 'cable':
        proxy.cut();
    }
  }

  async #startBob(): Promise<void> {
    const bob = await this.network.startAlone('bob', '--advertise', this.#proxy.address);
    this.#proxy.target = bob.listen;
  }

  async #large(round: number): Promise<Payload> {
    const bytes = randomInt(8 * MiB, 64 * MiB);
    const path = await this.network.file(`big-${round}.bin`, bytes);
    return { path, bytes, digests: new Map([[`big-${round}.bin`, await sha256(path)]]) };
  }

  /** Many small files, some of a few blocks, and one that is large. */
  async #tree(round: number): Promise<Payload> {
    const top = `tree-${round}`;
    const path = this.network.path(top);
    const sizes = Array.from({ length: 240 }, (_, n) =>
      n === 120 ? 16 * MiB : n % 40 === 0 ? 3 * MiB + n : randomInt(0, 60_000),
    );
    const digests = new Map<string, string>();
    for (const [n, size] of sizes.entries()) {
      const name = join(`folder ${n % 7}`, `file ${n}`);
      await mkdir(join(path, `folder ${n % 7}`), { recursive: true });
      await writeFile(join(path, name), randomBytes(size));
      digests.set(join(top, name), await sha256(join(path, name)));
    }
    return { path, bytes: sizes.reduce((sum, size) => sum + size, 0), digests };
  }

  /** What is under a final name and is not what was sent. */
  async #notWhole(sender: string, { digests }: Payload): Promise<string[]> {
    const wrong: string[] = [];
    for (const file of await filesBelow(this.network.inbox('bob', sender))) {
      if (file.includes(PART_PREFIX)) continue;
      if ((await sha256(this.network.inbox('bob', sender, file))) !== digests.get(file)) wrong.push(file);
    }
    return wrong;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close();
    await this.#proxy[Symbol.asyncDispose]();
  }
}

function sentBytes(outcome: Outcome): number {
  return Number(jsonLines(outcome).at(-1)?.['bytesSent']);
}

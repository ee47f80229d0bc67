import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { PART_PREFIX } from '@filer/transfer';
import { jsonLines, type Outcome } from '../support/programs.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { filesBelow, sha256, TestNetwork } from '../support/test-network.ts';

const MiB = 1024 * 1024;
/** What may travel twice after a cut. */
const TWICE_BYTES = 9 * MiB;

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

  /** One transfer, killed once, and the same command again where it failed. @throws what `expect` throws */
  async run(): Promise<void> {
    const round = this.#round++;
    const victim = VICTIMS[round % VICTIMS.length] ?? 'cable';
    const sender = victim === 'sender' ? 'carol' : 'anna';
    const payload =
      Math.floor(round / VICTIMS.length) % 2 === 0 ? await this.#large(round) : await this.#tree(round);
    const point = randomInt(2_000, payload.bytes);
    const what = `round ${round}: ${victim} at byte ${point} of ${payload.bytes}`;

    const held = this.#proxy.hold(point);
    const command = this.network.follow(sender, ['send', payload.path, '--to', 'bob', '--json']);
    await held;
    await this.#kill(victim, () => command.stop('SIGKILL'));
    const killed = await command.ended;
    await this.#expectWhole(sender, payload, what);
    if (killed.code === 0) {
      expect(sentBytes(killed), what).toBeLessThanOrEqual(payload.bytes + TWICE_BYTES);
    } else {
      // Before the first welcome a cut cannot be told from a machine that is off.
      const early = point < 10_000 ? [5] : [];
      expect([...(victim === 'sender' ? [null] : []), ...early], what).toContain(killed.code);
      const again = await this.network.client(sender, ['send', payload.path, '--to', 'bob', '--json']);
      expect([again.code, again.stderr.match(/^filer-client: .*$/gm)], what).toEqual([0, null]);
      expect(sentBytes(again), what).toBeLessThanOrEqual(payload.bytes - point + TWICE_BYTES);
    }
    await this.#expectAll(sender, payload, what);
    await rm(payload.path, { recursive: true });
    await rm(this.network.inbox('bob', sender), { recursive: true });
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

  /** Whatever lies under a final name is whole. */
  async #expectWhole(sender: string, { digests }: Payload, what: string): Promise<void> {
    for (const file of await filesBelow(this.network.inbox('bob', sender))) {
      if (file.includes(PART_PREFIX)) continue;
      expect([file, await sha256(this.network.inbox('bob', sender, file))], what).toEqual([
        file,
        digests.get(file),
      ]);
    }
  }

  /** All of it is there once, and nothing beside it. */
  async #expectAll(sender: string, payload: Payload, what: string): Promise<void> {
    await this.#expectWhole(sender, payload, what);
    const names = [...payload.digests.keys()].map((name) => join(sender, name));
    expect(await filesBelow(this.network.inbox('bob')), what).toEqual(names.toSorted());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close();
    await this.#proxy[Symbol.asyncDispose]();
  }
}

function sentBytes(outcome: Outcome): number {
  return Number(jsonLines(outcome).at(-1)?.['bytesSent']);
}

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  dialOver,
  fieldsOf,
  loadIdentity,
  parseJson,
  parseMembership,
  sayHello,
  Session,
  unauthenticatedMessenger,
  type Identity,
  type Membership,
} from '@filer/protocol';
import { DaemonProcess } from '../support/programs.ts';
import { TestNetwork } from '../support/test-network.ts';
import { helloOf } from '../support/test-member.ts';

const flood = fileURLToPath(new URL('flood.ts', import.meta.url));
const loopDelay = fileURLToPath(new URL('loop-delay.mjs', import.meta.url));

/** What a victim may take at most, in MiB, after several floods on default settings. */
export const MAX_MEMORY_MIB = 400;

/** Processor time between two turns of its event loop, in ms. The clock would count what else runs on the machine. */
export const MAX_BUSY_MS = 50;

/** Attackers of filer come from other machines: here they get what the attacked leave of this one. */
export const ATTACKER_NICE = 10;

export interface VictimOptions {
  /** How many it may have. @default as many as the test */
  readonly descriptors?: number;
  /** The address from which the honest member visits. @default that of the attacker */
  readonly visitFrom?: string;
  /** More options for its Node. */
  readonly nodeOptions?: string;
}

/** What an attack did, and what it cost. */
export interface Figures {
  /** Connections that the attacker tried, and frames that it wrote. */
  readonly tried: number;
  readonly frames: number;
  /** Honest connections that were answered, and that were not. */
  readonly honest: number;
  readonly failed: number;
  /** From the first byte of an honest connection to the answer to its question, in ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  /** An honest question right after the attack, in ms. */
  readonly afterMs: number;
  readonly peakMiB: number;
  /** The longest standstill of the event loop, in ms, and the most processor time between two of its turns. */
  readonly loopMs: number;
  readonly busyMs: number;
  readonly logKiB: number;
  /** By how much its home grew. */
  readonly diskKiB: number;
  /** The most that were open. */
  readonly descriptors: number;
}

export interface AttackOptions {
  readonly count: number;
  readonly ms: number;
  readonly tries?: number;
  /** The address from which the honest member visits meanwhile. @default that of the other attacks */
  readonly visitFrom?: string;
}

interface Visitor {
  readonly identity: Identity;
  readonly membership: Membership;
  /** From which address. */
  readonly localAddress: string;
}

/** A server or a client under attack, an attacker who is a member, and an honest member who visits meanwhile. */
export class Victim implements AsyncDisposable {
  readonly network: TestNetwork;
  readonly #daemon: DaemonProcess;
  readonly #loopFile: string;
  readonly #honest: Visitor;

  private constructor(network: TestNetwork, daemon: DaemonProcess, loopFile: string, honest: Visitor) {
    this.network = network;
    this.#daemon = daemon;
    this.#loopFile = loopFile;
    this.#honest = honest;
  }

  static async open(
    who: 'server' | 'client',
    { descriptors, visitFrom = '127.0.0.1', nodeOptions = '' }: VictimOptions = {},
  ): Promise<Victim> {
    const network = await TestNetwork.open();
    for (const name of ['honest', 'evil', 'victim']) await network.join(name);
    const loopFile = network.path('loop-delay');
    const env = { NODE_OPTIONS: `--import ${loopDelay} ${nodeOptions}`, FILER_TEST_LOOP_DELAY: loopFile };
    const listen = { server: ['--host', '127.0.0.1', '--port', '0'], client: ['--listen', '127.0.0.1:0'] }[
      who
    ];
    if (who === 'server') await network.server.stop();
    const [program, home] =
      who === 'server'
        ? (['ip-server', network.serverHome] as const)
        : (['filer-client', network.home('victim')] as const);
    const wrapper =
      descriptors === undefined ? [] : ['sh', '-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh'];
    const daemon = await DaemonProcess.start(program, listen, home, { env, wrapper });
    const honest = { ...(await memberOf(network.home('honest'))), localAddress: visitFrom };
    return new Victim(network, daemon, loopFile, honest);
  }

  /** Lets an attacker do its worst for so long, and visits meanwhile. */
  async under(kind: string, { count, ms, tries, visitFrom }: AttackOptions): Promise<Figures> {
    const { port, id } = this.#daemon;
    const home = this.network.home('evil');
    const target = {
      host: '127.0.0.1',
      port,
      id,
      network: this.#honest.membership.network,
      home,
      count,
      ms,
      tries,
    };
    const diskKiB = await this.#diskKiB();
    await rm(this.#loopFile, { force: true });
    const logged = this.#daemon.stderr.length;
    const attacker = spawn(process.execPath, floodArguments(kind, target), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (attacker.pid !== undefined) setPriority(attacker.pid, ATTACKER_NICE);
    const did = text(attacker.stdout);
    let over = false;
    const ended = once(attacker, 'close').then(() => (over = true));
    const took: number[] = [];
    let [failed, peakMiB, descriptors] = [0, 0, 0];
    while (!over) {
      const ms = await this.visit(visitFrom);
      if (ms === undefined) failed++;
      else took.push(ms);
      peakMiB = Math.max(peakMiB, await this.#memoryMiB());
      descriptors = Math.max(descriptors, await this.#descriptors());
      await Promise.race([ended, wait(20)]);
    }
    const afterMs = (await this.visit()) ?? Number.POSITIVE_INFINITY;
    took.sort((a, b) => a - b);
    const at = (part: number): number => took[Math.min(took.length - 1, Math.floor(took.length * part))] ?? 0;
    return {
      ...didOf(await did),
      honest: took.length,
      failed,
      p50Ms: Math.round(at(0.5)),
      p99Ms: Math.round(at(0.99)),
      worstMs: Math.round(at(1)),
      afterMs: Math.round(afterMs),
      peakMiB: Math.round(peakMiB),
      ...(await this.#standstill()),
      logKiB: Math.round((this.#daemon.stderr.length - logged) / 1024),
      diskKiB: (await this.#diskKiB()) - diskKiB,
      descriptors,
    };
  }

  /** Connects as the honest member and asks something. @returns how long that took, in ms; undefined when it failed */
  async visit(localAddress = this.#honest.localAddress): Promise<number | undefined> {
    const began = performance.now();
    const { identity, membership } = this.#honest;
    const { port, id } = this.#daemon;
    try {
      const socket = connect({ host: '127.0.0.1', port, localAddress });
      const link = await dialOver(socket, { identity, expect: id, where: 'the victim' });
      const messenger = unauthenticatedMessenger(link);
      await sayHello(messenger, helloOf(membership.network, { role: 'command', membership }));
      const session = new Session(messenger);
      await session.request({ type: 'removals-get', after: '0' });
      const ms = performance.now() - began;
      await session.close();
      return ms;
    } catch {
      return undefined;
    }
  }

  async #standstill(): Promise<Pick<Figures, 'loopMs' | 'busyMs'>> {
    const written = await readFile(this.#loopFile, 'utf8').catch(() => '{}');
    return { loopMs: 0, busyMs: 0, ...(JSON.parse(written) as object) };
  }

  async #diskKiB(): Promise<number> {
    const { stdout } = await promisify(execFile)('du', ['-sk', this.#daemon.home]);
    return Number.parseInt(stdout, 10);
  }

  async #descriptors(): Promise<number> {
    return (await readdir(`/proc/${this.#daemon.child.pid}/fd`).catch(() => [])).length;
  }

  async #memoryMiB(): Promise<number> {
    const status = await readFile(`/proc/${this.#daemon.child.pid}/status`, 'utf8').catch(() => '');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon.stop();
    await this.network.close();
  }
}

/** What an attacker says of itself at its end. */
function didOf(said: string): Pick<Figures, 'tried' | 'frames'> {
  const { tried, frames } = fieldsOf(JSON.parse(said === '' ? '{}' : said), 'figures');
  return { tried: Number(tried), frames: Number(frames) };
}

/** The command line of an attacker. */
export function floodArguments(kind: string, target: object): string[] {
  return [flood, kind, JSON.stringify(target)];
}

/** Who has joined from this home. */
export async function memberOf(home: string): Promise<{ identity: Identity; membership: Membership }> {
  const identity = await loadIdentity(home);
  if (identity === undefined) throw new Error('it has joined');
  const file = fieldsOf(parseJson(await readFile(join(home, 'membership.json')), 'file', 1e6), 'file');
  return { identity, membership: parseMembership(file['membership']) };
}

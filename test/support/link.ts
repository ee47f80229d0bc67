import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ip = async (...args: string[]): Promise<void> => void (await run('ip', args));
const FORWARDER = fileURLToPath(new URL('link.py', import.meta.url));

/** How a cable is; what it does not name is as in a good one. The head of link.py says more. */
export interface Weather {
  /** How long each frame takes, one way. */
  readonly delayMs?: number;
  /** Up to so much longer, at random; frames keep their order. */
  readonly jitterMs?: number;
  /** The share of frames that are dropped, at random. */
  readonly loss?: number;
  /** The share of frames that take no delay, so that they overtake others. */
  readonly reorder?: number;
  readonly mbit?: number;
  /** With a rate: how much may wait for its turn; what is above is dropped. @default 50 */
  readonly queueMs?: number;
  /** Larger IP packets are dropped without a word: a black hole for those that do not look for it. */
  readonly mtu?: number;
  /** All is dropped, while both ends say that the cable is plugged in. */
  readonly cut?: boolean;
}

/** Where one end of a cable is plugged in: the interface `name` of the namespace `host`. */
export interface LinkEnd {
  readonly host: string;
  readonly name: string;
}

let count = 0;

/**
 * A cable between two hosts in network namespaces that delays, drops, reorders and cuts as it is told. It carries Ethernet
 * frames: its ends can have any addresses, and be put into bridges. It passes about 1 Gbit/s on an idle core.
 *
 * Its ends are down and have no address at first. Tests need `needs.namespaces() || needs('python3')`.
 */
export class Link implements AsyncDisposable {
  readonly #forwarder: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  private constructor(names: readonly [string, string]) {
    this.#forwarder = spawn('python3', [FORWARDER, ...names]);
    this.#forwarder.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.#forwarder.stdout);
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  static async open(first: LinkEnd, second: LinkEnd, weather: Weather = {}): Promise<Link> {
    const name = `fl${process.pid}-${++count}`;
    const names = [`${name}a`, `${name}b`] as const;
    const link = new Link(names);
    try {
      await link.#said('ready');
      await ip('link', 'set', names[0], 'netns', first.host, 'name', first.name, 'txqueuelen', '10000');
      await ip('link', 'set', names[1], 'netns', second.host, 'name', second.name, 'txqueuelen', '10000');
      await link.become(weather);
      return link;
    } catch (error) {
      await link[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The cable is so from now on, both ways or only for what comes from one end. Frames under way keep their time. */
  async become(weather: Weather, from?: 'first' | 'second'): Promise<void> {
    const direction = from === undefined ? {} : { from: from === 'first' ? 0 : 1 };
    this.#forwarder.stdin.write(`${JSON.stringify({ ...weather, ...direction })}\n`);
    await this.#said('set');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#forwarder;
    if (exitCode !== null || signalCode !== null) return;
    const gone = new Promise((resolve) => this.#forwarder.once('close', resolve));
    this.#forwarder.stdin.end();
    await gone;
    this.#lines.close();
  }

  async #said(word: string): Promise<void> {
    const { value, done } = await this.#answers.next();
    if (done || value !== word) throw new Error(`the forwarder of a link said ${String(value)}, not ${word}`);
  }
}

/** Two hosts in namespaces, `a` at 10.77.0.1 and `b` at 10.77.0.2, and one cable between them. */
export class LinkedHosts implements AsyncDisposable {
  static readonly addresses = { a: '10.77.0.1', b: '10.77.0.2' } as const;
  readonly #name = `filer-l${process.pid}-${++count}`;
  #link: Link | undefined;

  private constructor() {}

  /** @param by what the cable is: one that weather has a say in, or a plain one of the kernel's @default 'forwarder' */
  static async open(weather: Weather = {}, by: 'forwarder' | 'cable' = 'forwarder'): Promise<LinkedHosts> {
    const hosts = new LinkedHosts();
    try {
      await hosts.#build(weather, by);
      return hosts;
    } catch (error) {
      await hosts[Symbol.asyncDispose]();
      throw error;
    }
  }

  get link(): Link {
    if (this.#link === undefined) throw new Error('there is no forwarder');
    return this.#link;
  }

  /** The name of the namespace. */
  host(name: 'a' | 'b'): string {
    return `${this.#name}-${name}`;
  }

  /** What stands before a command line to run it on a host. */
  on(name: 'a' | 'b'): { readonly wrapper: readonly string[] } {
    return { wrapper: ['ip', 'netns', 'exec', this.host(name)] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    await link?.[Symbol.asyncDispose]();
    for (const name of ['a', 'b'] as const) await ip('netns', 'del', this.host(name)).catch(() => undefined);
  }

  async #build(weather: Weather, by: 'forwarder' | 'cable'): Promise<void> {
    for (const name of ['a', 'b'] as const) await ip('netns', 'add', this.host(name));
    const end = (name: 'a' | 'b') => ({ host: this.host(name), name: 'wan' });
    if (by === 'forwarder') this.#link = await Link.open(end('a'), end('b'), weather);
    else {
      const [a, b] = [this.host('a'), this.host('b')];
      await ip('link', 'add', 'wan', 'netns', a, 'type', 'veth', 'peer', 'name', 'wan', 'netns', b);
    }
    for (const name of ['a', 'b'] as const) {
      await ip('-n', this.host(name), 'address', 'add', `${LinkedHosts.addresses[name]}/24`, 'dev', 'wan');
      for (const each of ['lo', 'wan']) await ip('-n', this.host(name), 'link', 'set', each, 'up');
    }
  }
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NatNetwork, type HostName, type NatOptions } from './nat-network.ts';
import type { RouterKind } from './router-rules.ts';
import { DaemonProcess, runProgram, type Outcome } from './programs.ts';

/** On which host each machine is. */
const HOSTS = { anna: 'a', ben: 'b', carla: 'c', dora: 'd' } as const satisfies Record<string, HostName>;

export interface BehindOptions extends NatOptions {
  /** Flags of the ip-server. @default none */
  readonly server?: readonly string[];
  /** Whether there are carla and dora, without a router, that relay for others. @default false */
  readonly relays?: boolean;
}

/** An ip-server, and the machines anna and ben, each behind a router of its own. */
export class BehindRouters implements AsyncDisposable {
  readonly folder: string;
  readonly network: NatNetwork;
  /** In the order of their start, by the name of their home. */
  readonly daemons = new Map<string, DaemonProcess>();

  private constructor(folder: string, network: NatNetwork) {
    this.folder = folder;
    this.network = network;
  }

  static async open(
    annas: RouterKind,
    bens: RouterKind,
    options: BehindOptions = {},
  ): Promise<BehindRouters> {
    const folder = await mkdtemp(join(tmpdir(), 'filer-routers-'));
    const behind = new BehindRouters(folder, await NatNetwork.open(annas, bens, options));
    try {
      await behind.#start(options);
      return behind;
    } catch (error) {
      await behind[Symbol.asyncDispose]();
      throw error;
    }
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  daemon(name: string): DaemonProcess {
    const daemon = this.daemons.get(name);
    if (daemon === undefined) throw new Error(`${name} does not run`);
    return daemon;
  }

  /** Runs a command of a machine, as the user there. */
  run(name: 'anna' | 'ben', args: readonly string[]): Promise<Outcome> {
    return runProgram('filer-client', args, this.home(name), this.network.on(HOSTS[name]));
  }

  async #start({ server: flags = [], relays = false, versions }: BehindOptions): Promise<void> {
    const server = this.network.on('server');
    const addresses =
      versions === 'ipv6' ? [NatNetwork.server, `[${NatNetwork.server6}]`] : [NatNetwork.server];
    const advertised = addresses.flatMap((host) => ['--advertise', `${host}:10901`]);
    const fixed = ['--port', '10901', '--http-port', 'off', ...advertised];
    this.daemons.set(
      'server',
      await DaemonProcess.start('ip-server', [...fixed, ...flags], this.home('server'), server),
    );
    const invited = await runProgram('ip-server', ['invite', '--uses', '4'], this.home('server'), server);
    await this.#join('anna', invited.stdout);
    await this.#join('ben', invited.stdout);
    if (!relays) return;
    await this.#join('carla', invited.stdout, '--relay');
    await this.#join('dora', invited.stdout, '--relay');
  }

  async #join(name: keyof typeof HOSTS, invite: string, ...flags: string[]): Promise<void> {
    const on = this.network.on(HOSTS[name]);
    const args = ['join', '-', '--name', name];
    const joined = await runProgram('filer-client', args, this.home(name), { ...on, input: invite });
    if (joined.code !== 0) throw new Error(joined.stderr);
    const daemon = await DaemonProcess.start('filer-client', flags, this.home(name), on);
    this.daemons.set(name, daemon);
    await daemon.said('connected to the ip-server');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of [...this.daemons.values()].toReversed()) await daemon.stop('SIGKILL');
    await this.network[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

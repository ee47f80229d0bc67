import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NatNetwork, type RouterKind } from './nat-network.ts';
import { DaemonProcess, runProgram } from './programs.ts';

/** An ip-server, and the machines anna and ben, each behind a router of its own. */
export class BehindRouters implements AsyncDisposable {
  readonly folder: string;
  readonly network: NatNetwork;
  readonly #daemons: DaemonProcess[] = [];

  private constructor(folder: string, network: NatNetwork) {
    this.folder = folder;
    this.network = network;
  }

  static async open(annas: RouterKind, bens: RouterKind): Promise<BehindRouters> {
    const folder = await mkdtemp(join(tmpdir(), 'filer-routers-'));
    const behind = new BehindRouters(folder, await NatNetwork.open(annas, bens));
    await behind.#start();
    return behind;
  }

  home(name: string): string {
    return join(this.folder, name);
  }

  async #start(): Promise<void> {
    const server = this.network.on('server');
    const flags = ['--port', '10901', '--http-port', 'off', '--advertise', `${NatNetwork.server}:10901`];
    this.#daemons.push(await DaemonProcess.start('ip-server', flags, this.home('server'), server));
    const invited = await runProgram('ip-server', ['invite', '--uses', '2'], this.home('server'), server);
    for (const [name, host] of [
      ['anna', 'a'],
      ['ben', 'b'],
    ] as const) {
      const on = this.network.on(host);
      const joining = { ...on, input: invited.stdout };
      const joined = await runProgram(
        'filer-client',
        ['join', '-', '--name', name],
        this.home(name),
        joining,
      );
      if (joined.code !== 0) throw new Error(joined.stderr);
      const daemon = await DaemonProcess.start('filer-client', [], this.home(name), on);
      this.#daemons.push(daemon);
      await daemon.said('connected to the ip-server');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const daemon of this.#daemons.toReversed()) await daemon.stop('SIGKILL');
    await this.network[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}

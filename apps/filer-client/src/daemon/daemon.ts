import { randomBytes } from 'node:crypto';
import {
  FilerError,
  formatHostPort,
  STRANGER_OPTIONS,
  type HostPort,
  type SignedText,
} from '@filer/protocol';
import {
  acquireLock,
  ControlServer,
  type ControlMethod,
  type Home,
  type Lock,
  type Logger,
} from '@filer/program';
import { TransferIntake, type ReceivedFile } from '../jobs/intake.ts';
import { Member } from '../network/member.ts';
import { PeerServer } from '../network/peer-server.ts';
import { ServerLink } from '../network/server-link.ts';
import { measureHeartbeat } from '../reports/heartbeat.ts';
import { DEFAULT_PEER_PORT, type ClientSettings } from '../settings.ts';
import { operations } from './operations.ts';
import type { Site } from './site.ts';

export interface DaemonOptions {
  readonly home: Home;
  readonly settings: ClientSettings;
  readonly software: string;
  readonly log: Logger;
  readonly onText: (text: SignedText, senderName: string) => void;
  readonly onReceived: (file: ReceivedFile) => void;
}

/** The peer that runs: owns and wires all parts, and closes them in the reverse order of their opening. */
export class Daemon {
  readonly #member: Member;
  readonly #options: DaemonOptions;
  readonly #closers: (() => unknown)[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #closing: Promise<void> | undefined;
  #listen = '';
  #link: ServerLink | undefined;
  #peers: PeerServer | undefined;

  private constructor(member: Member, options: DaemonOptions) {
    this.#member = member;
    this.#options = options;
  }

  /**
   * Opens everything; the network port last: when it accepts, the control socket answers.
   *
   * @throws FilerError `already-running`, `not-joined`, `identity-damaged`, `store-damaged`, `port-in-use`,
   *   `address-unusable`, `home-not-writable`
   */
  static async open(options: DaemonOptions): Promise<Daemon> {
    const lock: Lock = await acquireLock(options.home.lockFile);
    let daemon: Daemon | undefined;
    try {
      const member = await Member.open(options.home);
      daemon = new Daemon(member, options);
      daemon.#closers.push(
        () => lock.release(),
        () => member[Symbol.dispose](),
      );
      await daemon.#open();
      return daemon;
    } catch (error) {
      if (daemon === undefined) await lock.release();
      else await daemon.close();
      throw error;
    }
  }

  get id(): string {
    return this.#member.id;
  }

  get name(): string {
    return this.#member.name;
  }

  get inbox(): string {
    return this.#options.settings.inbox ?? this.#member.home.inbox;
  }

  /** `host:port` where peers connect. */
  get listen(): string {
    return this.#listen;
  }

  /** Resolves when the daemon has ended by itself: the machine has left its network. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Says goodbye and closes in order. May be called twice. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #open(): Promise<void> {
    const { software, log, settings, onReceived } = this.#options;
    const member = this.#member;
    const interrupted = member.jobs.interruptRunning();
    if (interrupted > 0) log.warn('transfers were cut off when the last daemon ended', { jobs: interrupted });

    const intake = await TransferIntake.open({
      member,
      inbox: this.inbox,
      accept: settings.accept,
      sync: settings.sync,
      log,
      onReceived,
    });
    this.#closers.push(() => intake.close());

    const peers = new PeerServer({
      member,
      software,
      log,
      onText: (text) => this.#onText(text),
      onRemoved: (ids) => peers.closePeers(ids),
      onTransfer: (messenger, from) => intake.take(messenger, from),
    });
    this.#peers = peers;

    // What the link publishes is known only when the port is open; the control socket must answer before that.
    const control = await ControlServer.open(member.home, {
      methods: this.#methods(),
      onFault: (error) => log.error('a command failed for a fault of this program', { error }),
    });
    this.#closers.push(() => control.close());

    const address = await this.#openPort(peers);
    this.#closers.push(() => peers.stop());
    this.#listen = formatHostPort(address);

    const link = new ServerLink({
      member,
      software,
      incarnation: `${member.settings.next('incarnation')}.${randomBytes(8).toString('hex')}`,
      listening: { ...address, advertise: settings.advertise.map(formatHostPort) },
      log,
      measure: () => measureHeartbeat(member, this.inbox, intake.running + member.jobs.running),
      onText: (text) => this.#onText(text),
      onRemoved: (ids) => peers.closePeers(ids),
    });
    this.#link = link;
    this.#closers.push(() => link.close());
    link.start();
  }

  #methods(): Record<string, ControlMethod> {
    const methods: Record<string, ControlMethod> = {};
    for (const [name, operation] of Object.entries(operations)) {
      methods[name] = (params, call) =>
        operation(this.#site(), params, { emit: (item) => call.emit(item), signal: call.signal });
    }
    return methods;
  }

  #site(): Site {
    const { software, log } = this.#options;
    const link = this.#link;
    if (link === undefined)
      throw new FilerError('needs-daemon', 'the daemon is still starting: try again in a moment');
    return {
      member: this.#member,
      access: link,
      software,
      log,
      daemon: {
        listen: this.#listen,
        inbox: this.inbox,
        connections: () => (this.#peers?.messengers.size ?? 0) + (link.current === undefined ? 0 : 1),
        reconnect: () => link.reconnect(),
        // Not at once: the command that asked still waits for its answer.
        shutDown: () => setImmediate(() => this.#ended.resolve()),
      },
    };
  }

  /** The port that was asked for, or the last one, the usual one, and if that is taken a free one, remembered. */
  async #openPort(peers: PeerServer): Promise<HostPort> {
    const { settings, log } = this.#options;
    const member = this.#member;
    const onRefused = (address: string, why: string): void =>
      log.info('a connection was turned away', { address, why });
    const open = async ({ host, port }: HostPort): Promise<HostPort> => {
      const endpoint = { transport: 'tls', host, port, identity: member.identity } as const;
      const { addr } = await peers.open(endpoint, { messenger: STRANGER_OPTIONS, onRefused });
      if (!('port' in addr)) throw new Error('a TLS server has a port');
      return addr;
    };
    if (settings.listen !== undefined) return open(settings.listen);
    const remembered = Number(member.settings.get('listen.port') ?? DEFAULT_PEER_PORT);
    const address = await open({ host: '::', port: remembered }).catch((error: unknown) => {
      if (!(error instanceof FilerError)) throw error;
      if (error.code === 'port-in-use') return open({ host: '::', port: 0 });
      // A machine without IPv6.
      return open({ host: '0.0.0.0', port: remembered });
    });
    member.settings.set('listen.port', String(address.port));
    return address;
  }

  #onText(text: SignedText): void {
    const sender =
      text.from === this.#member.server.id ? 'ip-server' : this.#member.directory.byId(text.from)?.name;
    this.#options.onText(text, sender ?? text.from.slice(0, 12));
  }

  async #close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close();
    this.#closers.length = 0;
  }
}

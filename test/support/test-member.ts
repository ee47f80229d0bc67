import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import {
  createIdentity,
  dial,
  encodeReportBody,
  errorOf,
  FilerError,
  formatDirectoryGet,
  formatEnrol,
  formatEnrolSign,
  formatHeartbeat,
  formatReport,
  formatSchedules,
  formatText,
  joinerSignatures,
  parseBroadcasted,
  parseCollect,
  parseDirectory,
  parseDraft,
  parseEnrolled,
  parseInvite,
  parseRemovals,
  parseStored,
  parseTextMessage,
  contactedMessage,
  sayHello,
  Session,
  signText,
  unauthenticatedMessenger,
  type AnnouncedSchedule,
  type Broadcasted,
  type CollectAsked,
  type Due,
  type DirectoryEntry,
  type DirectoryPage,
  type Hello,
  type Identity,
  type Membership,
  type MembershipClaims,
  type Message,
  type Messenger,
  type Removal,
  type ServerRecord,
  type SignedText,
  type Contacted,
  type ReportKey,
  type Welcome,
} from '@filer/protocol';
import { MemoryLedger } from './removal-ledger.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
  readonly id: string;
}

/** Options of a connection; each has the value of an honest daemon unless given. */
export interface ConnectOptions {
  readonly role?: 'daemon' | 'command';
  readonly incarnation?: string;
  readonly subscribe?: boolean;
  /** Another one of its network. @default the one that admitted it */
  readonly server?: TestMember['server'];
  readonly hello?: Partial<Hello>;
  /** Those that the member knows; its list is levelled with the server's then. @default not levelled */
  readonly removals?: readonly Removal[];
}

const QUIET_NUMBERS = {
  uptimeMs: 1_000,
  loadHundredths: 25,
  memoryTotalBytes: 8_000_000_000,
  memoryFreeBytes: 4_000_000_000,
  inboxFreeBytes: 100_000_000_000,
  transfers: 0,
  spooled: 0,
};

/** A member made of the library alone, for tests of a server: joins, says hello, reports. */
export class TestMember {
  readonly identity: Identity;
  readonly membership: Membership;
  readonly serverRecord: ServerRecord;
  readonly server: ServerAddress;
  #counter = 0;

  constructor(identity: Identity, membership: Membership, serverRecord: ServerRecord, server: ServerAddress) {
    this.identity = identity;
    this.membership = membership;
    this.serverRecord = serverRecord;
    this.server = server;
  }

  get id(): string {
    return this.identity.id;
  }

  get network(): string {
    return this.membership.network;
  }

  /**
   * Enrols with a link.
   *
   * @param change alters what is signed, for dishonest joiners
   * @throws FilerError why the server refused
   */
  static async join(
    link: string,
    name: string,
    options: { identity?: Identity; change?: (claims: MembershipClaims) => MembershipClaims } = {},
  ): Promise<TestMember> {
    const { grant, seed, addresses } = parseInvite(link);
    const identity = options.identity ?? (await createIdentity());
    const [address] = addresses;
    if (address === undefined) throw new Error('an invite has an address');
    const server = { ...address, id: grant.server };
    const messenger = unauthenticatedMessenger(
      await dial({ transport: 'tls', ...address, identity, expect: grant.server }),
    );
    await sayHello(messenger, helloOf(grant.network, { role: 'join' }));
    const session = new Session(messenger);
    try {
      const draft = parseDraft(await session.ask(formatEnrol({ name, grant })));
      const claims = options.change?.(draft) ?? draft;
      const signed = {
        claims,
        grant,
        publicKey: identity.publicKey.toString('base64url'),
        ...joinerSignatures(claims, identity, seed),
      };
      const { membership, serverRecord } = parseEnrolled(await session.ask(formatEnrolSign(signed)));
      return new TestMember(identity, membership, serverRecord, server);
    } finally {
      await session.close();
    }
  }

  /** The same machine, pointed at another server. */
  at({ host, port, id }: ServerAddress): TestMember {
    return new TestMember(this.identity, this.membership, this.serverRecord, { host, port, id });
  }

  /** `counter.random`, with a counter above the last. */
  nextIncarnation(): string {
    return `${++this.#counter}.${randomBytes(8).toString('hex')}`;
  }

  /** Opens a connection for files and says what they are for. @throws FilerError the server's refusal */
  async upload({ header, content }: Message): Promise<Messenger> {
    const { host, port, id } = this.server;
    const link = await dial({ transport: 'tls', host, port, identity: this.identity, expect: id });
    const messenger = unauthenticatedMessenger(link);
    await sayHello(messenger, helloOf(this.network, { role: 'command', purpose: 'transfer' }));
    await messenger.send({ ...header, id: '1' }, content);
    const answer = await messenger[Symbol.asyncIterator]().next();
    if (answer.done === true) throw new Error('the server closed the connection without a word');
    if (answer.value.header['type'] === 'error') throw errorOf(answer.value.header, messenger.who);
    return messenger;
  }

  /** Connects and says hello. @throws FilerError why it was not welcome */
  async connect(options: ConnectOptions = {}): Promise<MemberConnection> {
    const { role = 'daemon', subscribe = false } = options;
    const { host, port, id } = options.server ?? this.server;
    const link = await dial({ transport: 'tls', host, port, identity: this.identity, expect: id });
    const messenger = unauthenticatedMessenger(link);
    const incarnation = role === 'daemon' ? (options.incarnation ?? this.nextIncarnation()) : undefined;
    const { removals } = options;
    const welcome = await sayHello(
      messenger,
      helloOf(this.network, {
        role,
        subscribe,
        ...(incarnation === undefined ? {} : { incarnation }),
        ...options.hello,
      }),
      removals === undefined ? {} : { removals: new MemoryLedger(this.network, removals) },
    );
    const open = (handler: Handler): Session => new Session(messenger, handler);
    return new MemberConnection(this, welcome, open);
  }
}

/** The hello of an honest daemon, but for what is given. */
export function helloOf(network: string, hello: Partial<Hello>): Hello {
  return {
    versions: [1],
    features: [],
    role: 'daemon',
    network,
    removals: 0,
    purpose: 'session',
    subscribe: false,
    software: '0.0.0-test',
    schedules: [],
    ...hello,
  };
}

type Handler = NonNullable<ConstructorParameters<typeof Session>[1]>;

/** One welcome connection of a member, and everything that the server said on it. */
export class MemberConnection implements AsyncDisposable {
  readonly member: TestMember;
  readonly welcome: Welcome;
  readonly session: Session;
  readonly pages: DirectoryPage[] = [];
  readonly texts: SignedText[] = [];
  readonly removals: Removal[] = [];
  /** What collects asked for; each was promised. */
  readonly collects: CollectAsked[] = [];
  /** Who wants to reach it. */
  readonly reached: Contacted[] = [];
  goodbyes = 0;
  /** Called with each page of the directory, which is neither read nor kept then. */
  onPage: (() => void) | undefined;
  #wake: (() => void)[] = [];

  constructor(member: TestMember, welcome: Welcome, open: (handler: Handler) => Session) {
    this.member = member;
    this.welcome = welcome;
    this.session = open((message) => {
      switch (message.header['type']) {
        case 'directory':
          if (this.onPage !== undefined) this.onPage();
          else this.pages.push(parseDirectory(message));
          break;
        case 'text':
          this.texts.push(parseTextMessage(message));
          break;
        case 'removals':
          this.removals.push(...parseRemovals(message));
          break;
        case 'collect':
          this.collects.push(parseCollect(message));
          for (const wake of this.#wake.splice(0)) wake();
          return { header: { type: 'ok' } };
        case 'contacted':
          this.reached.push(contactedMessage.parse(message));
          break;
        case 'goodbye':
          this.goodbyes++;
          break;
        default:
          break;
      }
      for (const wake of this.#wake.splice(0)) wake();
      return undefined;
    });
  }

  /** Resolves once something that was received makes `condition` true. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      const closed = this.session.closed.then((reason) => {
        if (!condition()) throw reason ?? new FilerError('connection-closed', 'closed before it came');
      });
      await Promise.race([new Promise<void>((resolve) => this.#wake.push(resolve)), closed]);
    }
  }

  /** Every entry that was broadcast on this connection. */
  get entries(): DirectoryEntry[] {
    return this.pages.flatMap((page) => page.entries);
  }

  heartbeat(numbers: Partial<typeof QUIET_NUMBERS> = {}): Promise<void> {
    const { header, content } = formatHeartbeat({ ...QUIET_NUMBERS, ...numbers });
    return this.session.notify(header, content);
  }

  /** Sends one report and waits until it is stored. @throws FilerError the server's answer */
  async report(
    seq: number,
    values: Record<string, string> = {},
    spool: string = '0'.repeat(32),
  ): Promise<ReportKey> {
    const content = encodeReportBody({ title: '', values: Object.entries(values), schedule: '' });
    const message = formatReport({ spool, seq, kind: 'user', time: 1_000 + seq }, content);
    return parseStored(await this.session.ask(message));
  }

  /** Sends a report of a schedule and waits until it is stored. @throws FilerError the server's answer */
  async reportOf(schedule: string, seq: number, due: Due, spool = '0'.repeat(32)): Promise<ReportKey> {
    const content = encodeReportBody({ title: '', values: [['seq', String(seq)]], schedule });
    const message = formatReport({ spool, seq, kind: 'schedule', time: 1_000 + seq }, content, due);
    return parseStored(await this.session.ask(message));
  }

  /** Announces schedules in the place of those before. @throws FilerError the server's answer */
  async announce(...schedules: readonly AnnouncedSchedule[]): Promise<void> {
    await this.session.ask(formatSchedules(schedules));
  }

  async broadcast(text: string, to = '@all', time = Date.now()): Promise<Broadcasted> {
    return this.send(signText(this.member.identity, { network: this.member.network, to, time, text }));
  }

  async send(text: SignedText): Promise<Broadcasted> {
    return parseBroadcasted(await this.session.ask(formatText(text, 'broadcast')));
  }

  /** Pulls the directory from a position to its end. */
  async pull(seq = 0, epoch = this.welcome.epoch ?? ''): Promise<DirectoryPage[]> {
    const pages: DirectoryPage[] = [];
    for (let from = seq; ;) {
      const page = parseDirectory(await this.session.ask(formatDirectoryGet({ epoch, seq: from })));
      pages.push(page);
      if (!page.more) return pages;
      from = page.seq;
    }
  }

  /** Ends in order, as a daemon that stops. */
  async goodbye(): Promise<void> {
    await this.session.notify({ type: 'goodbye', reason: 'stopping' });
    await this.session.close();
  }

  /** Vanishes, as a machine that loses its power. */
  vanish(): void {
    this.session.messenger.destroy();
  }

  close(): Promise<void> {
    return this.session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Connects as a daemon does: again after a pause of its own, until it is let in. */
export async function comesBack(member: TestMember): Promise<MemberConnection> {
  for (let pauseMs = 500; ; pauseMs = Math.min(2 * pauseMs, 8_000)) {
    try {
      return await member.connect();
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      await wait(pauseMs * (0.5 + Math.random()));
    }
  }
}

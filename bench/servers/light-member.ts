import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import {
  dialOver,
  encodeFrame,
  encodeReportBody,
  errorOf,
  FilerError,
  formatDirectoryGet,
  formatEnrol,
  formatEnrolSign,
  formatHello,
  formatRecord,
  formatHeartbeat,
  formatReport,
  FrameDecoder,
  joinerSignatures,
  parseDraft,
  parseEnrolled,
  parseInvite,
  parseWelcome,
  signPeerRecord,
  type Hello,
  type Identity,
  type Membership,
  type Message,
  type PeerRecord,
} from '@filer/protocol';

export interface ServerAt {
  readonly host: string;
  readonly port: number;
  readonly id: string;
}

const HELLO = {
  versions: [1],
  features: ['removals'],
  removals: 0,
  purpose: 'session',
  subscribe: true,
  software: '0.1.0',
  schedules: [],
} as const;
const HEARTBEAT = encodeFrame(
  ...both(
    formatHeartbeat({
      uptimeMs: 86_400_000,
      loadHundredths: 25,
      memoryTotalBytes: 8_000_000_000,
      memoryFreeBytes: 4_000_000_000,
      inboxFreeBytes: 100_000_000_000,
      transfers: 0,
      spooled: 0,
    }),
  ),
);
const PONG = encodeFrame({ type: 'pong' });

/** Sent and heard in as few objects as can be: thousands of them stand for as many machines. */
export class LightLink {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder();
  readonly #asked = new Map<string, (answer: Message | undefined) => void>();
  #lastId = 0;
  /** Called with each page of the directory that was not asked for. */
  onPage: () => void = () => undefined;
  /** Called at its end. */
  onClose: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (piece: Buffer) => this.#decoder.push(piece, (message) => this.#take(message)));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      for (const answer of this.#asked.values()) answer(undefined);
      this.onClose();
    });
  }

  /** @param from the machine's own address */
  static async open(identity: Identity, { host, port, id }: ServerAt, from: string): Promise<LightLink> {
    const raw = connect({ host, port, localAddress: from, noDelay: true });
    const { socket } = await dialOver(raw, { identity, expect: id, where: `${host}:${port}` });
    return new LightLink(socket);
  }

  /** @throws FilerError the other side's, `connection-closed` */
  async ask({ header, content }: Message): Promise<Message> {
    const id = String(++this.#lastId);
    const { promise, resolve } = Promise.withResolvers<Message | undefined>();
    this.#asked.set(id, resolve);
    this.#socket.write(encodeFrame({ ...header, id }, content));
    const answer = await promise;
    if (answer === undefined) throw new FilerError('connection-closed', 'closed before it answered');
    if (answer.header['type'] === 'error') throw errorOf(answer.header, 'the server');
    return answer;
  }

  beat(): void {
    if (this.#socket.writable) this.#socket.write(HEARTBEAT);
  }

  /** Vanishes, as a machine that loses its power. */
  vanish(): void {
    this.#socket.destroy();
  }

  #take(message: Message): void {
    const { re, type } = message.header;
    if (re !== undefined) {
      this.#asked.get(re)?.(message);
      this.#asked.delete(re);
    } else if (type === 'directory') this.onPage();
    else if (type === 'ping') this.#socket.write(PONG);
  }
}

/** A member of which nothing but its documents is kept. */
export class LightMember {
  readonly identity: Identity;
  readonly membership: Membership;
  readonly #record: PeerRecord;
  readonly from: string;
  #incarnations = 0;

  constructor(identity: Identity, membership: Membership, index: number) {
    this.identity = identity;
    this.membership = membership;
    this.from = addressOf(index);
    this.#record = recordOf(identity, membership.network, index);
  }

  /** Says what a daemon says that comes back: hello, its record, and what of the directory it does not know. */
  async connect(server: ServerAt): Promise<LightLink> {
    const link = await LightLink.open(this.identity, server, this.from);
    const { membership } = this;
    const { network } = membership;
    const incarnation = `${++this.#incarnations}.${randomBytes(8).toString('hex')}`;
    const hello: Hello = { ...HELLO, role: 'daemon', network, incarnation, membership };
    const { epoch = '', seq = 0 } = parseWelcome(await link.ask(formatHello(hello, '0')));
    await link.ask(formatRecord(this.#record));
    await link.ask(formatDirectoryGet({ epoch, seq }));
    return link;
  }

  static async enrol(
    identity: Identity,
    server: ServerAt,
    invite: string,
    name: string,
    index: number,
  ): Promise<void> {
    const { grant, seed } = parseInvite(invite);
    const link = await LightLink.open(identity, server, addressOf(index));
    const hello = { ...HELLO, features: [], subscribe: false, role: 'join', network: grant.network } as const;
    parseWelcome(await link.ask(formatHello(hello, '0')));
    const claims = parseDraft(await link.ask(formatEnrol({ name, grant })));
    const publicKey = identity.publicKey.toString('base64url');
    const signed = { claims, grant, publicKey, ...joinerSignatures(claims, identity, seed) };
    parseEnrolled(await link.ask(formatEnrolSign(signed)));
    link.vanish();
  }
}

/** Where the machine of that number is reached. */
export function recordOf(identity: Identity, network: string, index: number): PeerRecord {
  const claims = { network, addresses: [`${addressOf(index)}:7171`], seq: 1, expiresAt: 4_000_000_000_000 };
  return signPeerRecord(identity, claims);
}

export function reportOf(spool: string, seq: number): Message {
  const content = encodeReportBody({
    title: '',
    values: [
      ['disk', '40 %'],
      ['files', '1037'],
    ],
    schedule: '',
  });
  return formatReport({ spool, seq, kind: 'user', time: 1_000 + seq }, content);
}

/** An address of its own for each: what an address may do is bounded. */
function addressOf(index: number): string {
  const [, b, c, d] = [0, 1 + (index >> 14), (index >> 7) & 127, 1 + (index & 127)];
  return `127.${b}.${c}.${d}`;
}

function both({ header, content }: Message): [Message['header'], Buffer] {
  return [header, content];
}

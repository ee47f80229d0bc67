/*
 * How a connection begins and ends.
 *
 *   hello    dialler → accepter   id, versions, role, network, removals, …; content JSON
 *   welcome  accepter → dialler   re, version, network, removals, …; content JSON
 *   goodbye  either               reason: what follows is an orderly end
 *   ping     either               an empty question, answered `pong`: is anybody there?
 *   error                         see error.ts
 */
import { FilerError, quoted } from '../errors.ts';
import { parseInteger, requireText, type Header, type Message } from '../header.ts';
import { MAX_HELLO_BYTES } from '../limits.ts';
import { parseMembership, type Membership } from '../trust/membership.ts';
import { parsePeerRecord, type PeerRecord } from '../trust/peer-record.ts';
import { parseServerRecord, type ServerRecord } from '../trust/server-record.ts';
import { fieldsOf, formatJson, listOf, parseJson, textOf } from './json.ts';
import { announcementOf, parseAnnouncements, type AnnouncedSchedule } from './schedule.ts';

/** The protocol versions that this code speaks. */
export const VERSIONS: readonly number[] = [1];

/**
 * `daemon` is a machine's presence, `command` a short session that is never presence, `join` a machine that has
 * no membership yet (towards a server only).
 */
export type Role = 'daemon' | 'command' | 'join';

/** What a connection between two peers is for: messages, or one transfer's bytes. */
export type Purpose = 'session' | 'transfer';

export interface Hello {
  readonly versions: readonly number[];
  readonly features: readonly string[];
  readonly role: Role;
  readonly network: string;
  /** The number of the newest removal that the speaker knows. */
  readonly removals: number;
  readonly purpose: Purpose;
  /** Of a transfer: the receiver may open a connection with this token, and the transfer goes over that one. */
  readonly callBack?: string;
  /** Of a connection that was asked for so: the token. */
  readonly calledBack?: string;
  /** A daemon's: `counter.random`; the newer replaces the older. */
  readonly incarnation?: string;
  /** Whether the directory's broadcasts are wanted (towards a server). */
  readonly subscribe: boolean;
  /** The speaker's software. */
  readonly software: string;
  /** Between peers: the speaker's membership. */
  readonly membership?: Membership;
  /** A daemon's own signed addresses, towards a server. */
  readonly record?: PeerRecord;
  readonly schedules: readonly AnnouncedSchedule[];
}

export interface Welcome {
  readonly version: number;
  readonly features: readonly string[];
  readonly network: string;
  readonly removals: number;
  readonly software: string;
  /** A server's: how often to send a heartbeat, in ms (clamped by the client). */
  readonly heartbeatMs?: number;
  /** A server's directory position. */
  readonly epoch?: string;
  readonly seq?: number;
  /** The address that the accepter sees the dialler at. */
  readonly observed?: string;
  /** From a peer: its own membership. From a server: the newest one of the dialler. */
  readonly membership?: Membership;
  readonly serverRecord?: ServerRecord;
}

const MAX_FEATURES = 32;
const INCARNATION = /^(?:0|[1-9][0-9]{0,15})\.[0-9a-f]{16}$/;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
const WORD = /^[a-zA-Z0-9][a-zA-Z0-9.+_-]{0,63}$/;

/** @param id numbers the request */
export function formatHello(hello: Hello, id: string): Message {
  const header: Record<string, string> = {
    type: 'hello',
    id,
    versions: hello.versions.join(','),
    features: hello.features.join(','),
    role: hello.role,
    network: hello.network,
    removals: String(hello.removals),
    purpose: hello.purpose,
    software: hello.software,
  };
  if (hello.incarnation !== undefined) header['incarnation'] = hello.incarnation;
  if (hello.callBack !== undefined) header['callBack'] = hello.callBack;
  if (hello.calledBack !== undefined) header['calledBack'] = hello.calledBack;
  if (hello.subscribe) header['subscribe'] = 'directory';
  const { membership, record } = hello;
  const schedules = hello.schedules.map(announcementOf);
  return { header, content: formatJson({ membership, record, schedules }) };
}

/** @throws FilerError `message-malformed`, `version-mismatch` */
export function parseHello({ header, content }: Message): Hello {
  expectType(header, 'hello');
  const versions = list(requireText(header, 'versions')).map((text) => parseInteger(text, 'versions'));
  pickVersion(versions); // before the rest, which another version may write in another way
  const fields = fieldsOf(
    content.length === 0 ? {} : parseJson(content, 'the content of hello', MAX_HELLO_BYTES),
    'the content of hello',
  );
  const incarnation = header['incarnation'];
  return {
    versions,
    features: list(header['features'] ?? ''),
    role: oneOf(requireText(header, 'role'), ['daemon', 'command', 'join'], 'role'),
    network: textOf(requireText(header, 'network'), 'network', { max: 64 }),
    removals: parseInteger(header['removals'] ?? '0', 'removals'),
    purpose: oneOf(header['purpose'] ?? 'session', ['session', 'transfer'], 'purpose'),
    ...tokenOf(header, 'callBack'),
    ...tokenOf(header, 'calledBack'),
    subscribe: header['subscribe'] === 'directory',
    software: textOf(header['software'] ?? '0', 'software', { pattern: WORD }),
    ...(incarnation === undefined
      ? {}
      : { incarnation: textOf(incarnation, 'incarnation', { pattern: INCARNATION }) }),
    ...(fields['membership'] === undefined ? {} : { membership: parseMembership(fields['membership']) }),
    ...(fields['record'] === undefined ? {} : { record: parsePeerRecord(fields['record']) }),
    schedules: parseAnnouncements(fields['schedules'] ?? []),
  };
}

function tokenOf(header: Header, key: 'callBack' | 'calledBack'): Partial<Hello> {
  const token = header[key];
  return token === undefined ? {} : { [key]: textOf(token, key, { pattern: TOKEN }) };
}

/** The newest version that both sides speak. @throws FilerError `version-mismatch` */
export function pickVersion(theirs: readonly number[]): number {
  const common = VERSIONS.filter((version) => theirs.includes(version));
  if (common.length === 0) {
    throw new FilerError(
      'version-mismatch',
      `the other side speaks protocol version ${quoted(theirs.join(', '))} and this one ${VERSIONS.join(', ')}: update the older one`,
    );
  }
  return Math.max(...common);
}

/** @param re the id of the hello that it answers */
export function formatWelcome(welcome: Welcome, re: string): Message {
  const header: Record<string, string> = {
    type: 'welcome',
    re,
    version: String(welcome.version),
    features: welcome.features.join(','),
    network: welcome.network,
    removals: String(welcome.removals),
    software: welcome.software,
  };
  if (welcome.heartbeatMs !== undefined) header['heartbeatMs'] = String(welcome.heartbeatMs);
  if (welcome.epoch !== undefined) header['epoch'] = welcome.epoch;
  if (welcome.seq !== undefined) header['seq'] = String(welcome.seq);
  if (welcome.observed !== undefined) header['observed'] = welcome.observed;
  const { membership, serverRecord } = welcome;
  return { header, content: formatJson({ membership, serverRecord }) };
}

/** @throws FilerError `message-malformed`, `version-mismatch` */
export function parseWelcome({ header, content }: Message): Welcome {
  expectType(header, 'welcome');
  const version = parseInteger(requireText(header, 'version'), 'version');
  pickVersion([version]);
  const fields = fieldsOf(
    content.length === 0 ? {} : parseJson(content, 'the content of welcome', MAX_HELLO_BYTES),
    'the content of welcome',
  );
  const { heartbeatMs, epoch, seq, observed } = header;
  return {
    version,
    features: list(header['features'] ?? ''),
    network: textOf(requireText(header, 'network'), 'network', { max: 64 }),
    removals: parseInteger(header['removals'] ?? '0', 'removals'),
    software: textOf(header['software'] ?? '0', 'software', { pattern: WORD }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs: parseInteger(heartbeatMs, 'heartbeatMs') }),
    ...(epoch === undefined ? {} : { epoch: textOf(epoch, 'epoch', { pattern: WORD }) }),
    ...(seq === undefined ? {} : { seq: parseInteger(seq, 'seq') }),
    ...(observed === undefined ? {} : { observed: textOf(observed, 'observed', { max: 64 }) }),
    ...(fields['membership'] === undefined ? {} : { membership: parseMembership(fields['membership']) }),
    ...(fields['serverRecord'] === undefined
      ? {}
      : { serverRecord: parseServerRecord(fields['serverRecord']) }),
  };
}

export function expectType(header: Header, type: string): void {
  if (header['type'] === type) return;
  throw new FilerError(
    'unexpected-message',
    `expected ${type}, got ${quoted(header['type'] ?? 'a message without a type')}`,
  );
}

function list(text: string): string[] {
  const words = text === '' ? [] : text.split(',');
  return listOf(words, 'a comma list', MAX_FEATURES, (word, what) => textOf(word, what, { pattern: WORD }));
}

/** One of the words given. @throws FilerError `message-malformed` */
export function oneOf<const T extends string>(text: string, words: readonly T[], what: string): T {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined)
    throw new FilerError('message-malformed', `${what} is not one of ${words.join(', ')}`);
  return word;
}

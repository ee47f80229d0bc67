/* How a connection begins and ends. */
import { FilerError, quoted } from '../errors.ts';
import { parseInteger, type Message } from '../header.ts';
import { MAX_HELLO_BYTES } from '../limits.ts';
import { parseMembership, type Membership } from '../trust/membership.ts';
import { parsePeerRecord, type PeerRecord } from '../trust/peer-record.ts';
import { parseServerList, type ServerList } from '../trust/server-list.ts';
import { parseServerRecord, type ServerRecord } from '../trust/server-record.ts';
import type { Content } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { field, integer, optional, text, withDefault, word, type Field } from './field.ts';
import { fieldsOf, formatJson, listOf, parseJson, textOf, type Fields } from './json.ts';
import { accepterToDialler, anywhere, diallerToAccepter } from './route.ts';
import { announcementOf, parseAnnouncements, type AnnouncedSchedule } from './schedule.ts';

/** The protocol versions that this code speaks. */
export const VERSIONS: readonly number[] = [1];

const MAX_FEATURES = 32;
const INCARNATION = /^(?:0|[1-9][0-9]{0,15})\.[0-9a-f]{16}$/;
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
const WORD = /^[a-zA-Z0-9][a-zA-Z0-9.+_-]{0,63}$/;

const shortWord = text({ pattern: WORD });
const token = optional(text({ pattern: TOKEN }));
const versionList = field<readonly number[]>({
  type: 'integers, comma-separated',
  limit: `${MAX_FEATURES} of them`,
  read: (value, what) => {
    const versions = list(value, what).map((each) => parseInteger(each, what));
    pickVersion(versions); // before the rest, which another version may write in another way
    return versions;
  },
  write: (versions) => versions.join(','),
});
const version = field<number>({
  type: 'integer',
  read: (value, what) => {
    const spoken = parseInteger(String(value), what);
    pickVersion([spoken]);
    return spoken;
  },
  write: String,
});
const features = withDefault(
  field<readonly string[]>({
    type: 'words, comma-separated',
    limit: `${MAX_FEATURES} of \`${WORD.source}\``,
    read: list,
    write: (words) => words.join(','),
  }),
  [],
  'empty',
);
const network = text({ max: 64 });
/** The number of the newest removal that the speaker knows. */
const removals = withDefault(integer(), 0, '0');
/** Digest of all removals that the speaker knows. */
const removalsDigest = optional(text({ pattern: TOKEN }));
/** Digest of who has left, as far as the speaker knows. */
const leavesDigest = optional(text({ pattern: TOKEN }));
const software = withDefault(shortWord, '0', '`0`');
const subscribe: Field<boolean, 'default'> = {
  presence: 'default',
  rows: (key) => [{ key, type: 'word', presence: 'nothing', limit: '`directory`' }],
  read: (from, key) => from[key] === 'directory',
  write: (value, key, to) => {
    if (value) to[key] = 'directory';
  },
};

interface HelloContent {
  /** Between peers: the speaker's membership. */
  readonly membership?: Membership;
  /** A daemon's own signed addresses, towards a server. */
  readonly record?: PeerRecord;
  readonly schedules: readonly AnnouncedSchedule[];
}

interface WelcomeContent {
  /** From a peer: its own membership. From a server: the newest one of the dialler. */
  readonly membership?: Membership;
  readonly serverRecord?: ServerRecord;
  /** Of a network with several servers. */
  readonly servers?: ServerList;
}

/** An object in JSON, all of it optional: no content is an empty one. */
function documents<C extends object>(
  shape: string,
  read: (fields: Fields) => C,
  write: (value: C) => object,
): Content<C> {
  return {
    shape: `JSON \`${shape}\`, or empty`,
    limit: `${MAX_HELLO_BYTES} bytes`,
    read: (content, type) => {
      const what = `the content of ${type}`;
      return read(fieldsOf(content.length === 0 ? {} : parseJson(content, what, MAX_HELLO_BYTES), what));
    },
    write: (value) => formatJson(write(value)),
  };
}

export const welcomeMessage = message({
  type: 'welcome',
  routes: [accepterToDialler],
  header: {
    version,
    features,
    network,
    removals,
    removalsDigest,
    leavesDigest,
    software,
    /** A server's: how often to send a heartbeat, in ms (clamped by the client). */
    heartbeatMs: optional(integer()),
    /** A server's directory position. */
    epoch: optional(shortWord),
    seq: optional(integer()),
    /** The address that the accepter sees the dialler at. */
    observed: optional(text({ max: 64 })),
  },
  content: documents<WelcomeContent>(
    '{ [membership], [serverRecord], [servers] }',
    (fields) => ({
      ...(fields['membership'] === undefined ? {} : { membership: parseMembership(fields['membership']) }),
      ...(fields['serverRecord'] === undefined
        ? {}
        : { serverRecord: parseServerRecord(fields['serverRecord']) }),
      ...(fields['servers'] === undefined ? {} : { servers: parseServerList(fields['servers']) }),
    }),
    ({ membership, serverRecord, servers }) => ({ membership, serverRecord, servers }),
  ),
});
export type Welcome = Parsed<typeof welcomeMessage>;

export const helloMessage = message({
  type: 'hello',
  routes: [diallerToAccepter],
  header: {
    versions: versionList,
    features,
    /**
     * `daemon` is a machine's presence, `command` a short session that is never presence, `join` a machine that has
     * no membership yet (towards a server only).
     */
    role: word(['daemon', 'command', 'join']),
    network,
    removals,
    removalsDigest,
    leavesDigest,
    /** What a connection between two peers is for: messages, or one transfer's bytes. */
    purpose: withDefault(word(['session', 'transfer']), 'session', '`session`'),
    /** The speaker's software. */
    software,
    /** A daemon's: `counter.random`; the newer replaces the older. */
    incarnation: optional(text({ pattern: INCARNATION })),
    /** Of a transfer: the receiver may open a connection with this token, and the transfer goes over that one. */
    callBack: token,
    /** Of a connection that was asked for so: the token. */
    calledBack: token,
    /** Whether the directory's broadcasts are wanted (towards a server). */
    subscribe,
  },
  content: documents<HelloContent>(
    '{ [membership], [record], [schedules] }',
    (fields) => ({
      ...(fields['membership'] === undefined ? {} : { membership: parseMembership(fields['membership']) }),
      ...(fields['record'] === undefined ? {} : { record: parsePeerRecord(fields['record']) }),
      schedules: parseAnnouncements(fields['schedules'] ?? []),
    }),
    ({ membership, record, schedules }) => ({ membership, record, schedules: schedules.map(announcementOf) }),
  ),
  answers: [welcomeMessage],
});
export type Hello = Parsed<typeof helloMessage>;
export type Role = Hello['role'];
export type Purpose = Hello['purpose'];

/** What follows is an orderly end. */
export const goodbyeMessage = message({
  type: 'goodbye',
  routes: [anywhere],
  header: { reason: optional(text({ max: MAX_HELLO_BYTES })) },
});

export const pongMessage = message({ type: 'pong', routes: [anywhere] });
/** Is the other side there? Answered by `pong`, without `id` and `re`. */
export const pingMessage = message({ type: 'ping', routes: [anywhere] });

export const { parse: parseHello } = helloMessage;
export const { parse: parseWelcome } = welcomeMessage;

/** @param id numbers the request */
export function formatHello(hello: Hello, id: string): Message {
  const { header, content } = helloMessage.format(hello);
  return { header: { ...header, id }, content };
}

/** @param re the id of the hello that it answers */
export function formatWelcome(welcome: Welcome, re: string): Message {
  const { header, content } = welcomeMessage.format(welcome);
  return { header: { ...header, re }, content };
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

function list(value: unknown, what: string): string[] {
  const words = value === '' ? [] : String(value).split(',');
  return listOf(words, what, MAX_FEATURES, (each, name) => textOf(each, name, { pattern: WORD }));
}

import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join as joinPath } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import {
  FilerError,
  isMachineName,
  isName,
  loadOrCreateIdentity,
  messageOf,
  nameFromHost,
  parseHostPort,
  parseInvite,
  RESERVED_WORDS,
  systemCode,
  type Identity,
  type Invite,
  type Membership,
} from '@filer/protocol';
import {
  acquireLock,
  discoverOnLan,
  flag,
  installedOrByHand,
  openHome,
  optional,
  printable,
  sayInstalled,
  scopeOf,
  textKind,
  writeConfigurationTemplate,
  type ArgumentValues,
  type Context,
  type FoundServer,
  type InstalledService,
} from '@filer/program';
import { Deadline } from '../../daemon/operations/deadline.ts';
import { enrol } from '../../network/enrol.ts';
import { merged } from '../../network/known-servers.ts';
import { clientSettings } from '../../settings.ts';
import { readMembershipFile, writeMembershipFile, type MembershipFile } from '../../store/membership-file.ts';
import { timeoutMs } from '../arguments.ts';

export const args = {
  link: optional(
    textKind('an invite link, - for standard input, or a file', { value: 'link', completes: 'file' }),
    'the link that `ip-server invite` printed',
  ),
  name: optional(
    textKind('a name such as cam-3'),
    'name of this machine in the network (default: its host name)',
  ),
  discover: flag('look for ip-servers on the local network, and list them; joining still needs the link'),
  service: flag('install and start it as a service, so that it runs from now on'),
  newIdentity: flag('make a new key first (for a machine that was cloned from another one)'),
  timeoutMs,
};
type JoinArguments = ArgumentValues<typeof args>;

export const examples = ['join -', 'join - --name cam-3 < invite.txt', 'join --discover'];

/** An invite is a few hundred characters; more than this is something else. */
const MAX_INVITE_CHARACTERS = 64 * 1024;

export async function run(args: JoinArguments, context: Context): Promise<void> {
  const { home, output, version, signal, calledAs } = context;
  // A person reads the list before the link is asked for.
  const link = isAsked(args, context) ? undefined : parsedLink(await readLink(args, context));
  const found = args.discover ? await discovered(context, link?.grant.server) : [];
  const named = link ?? parsedLink(isAsked(args, context) ? await askForLink(signal) : undefined);
  if (named === undefined) {
    output.json({ type: 'done', servers: found.length });
    return;
  }
  const invite = foundAt(named, found, context);
  const name = args.name ?? nameFromHost(hostname());
  if (!isMachineName(name)) {
    const why = isName(name) ? ` (${RESERVED_WORDS} are not names of machines)` : '';
    throw new FilerError(
      'usage',
      `--name takes lower-case letters, digits and inner dashes, at most 32, such as cam-3, not ${JSON.stringify(name)}${why}`,
    );
  }
  using deadline = new Deadline(args.timeoutMs, signal);
  await openHome(home);
  const lock = await lockHome(context);
  let joined: Membership;
  try {
    const before = await readMembershipFile(home.membershipFile);
    if (before !== undefined && before.membership.network !== invite.grant.network) {
      throw new FilerError(
        'refused',
        `this machine is ${before.membership.name} in another network: run \`filer-client leave\` first, or set FILER_HOME to another folder`,
      );
    }
    const file = await (args.newIdentity ? enrolAnew : enrolAsIs)(home.identityFolder, (identity) =>
      deadline.whole((stop) => enrol(identity, invite, name, version, stop)),
    );
    await writeMembershipFile(home.membershipFile, file);
    await writeConfigurationTemplate(clientSettings, home);
    joined = file.membership;
  } finally {
    await lock.release();
  }
  const { id, groups, network } = joined;
  output.line(`joined as ${joined.name}${groups.map((group) => ` @${group}`).join('')}  id ${id}`);
  const service = args.service ? await startService(context) : undefined;
  output.json({ id, name: joined.name, groups, network, ...(service === undefined ? {} : { service }) });
  if (service === undefined)
    output.words(
      `Next, on this machine:  ${calledAs} start   (or ${calledAs} service install: it starts with the machine)`,
    );
}

/** A machine without systemd has joined all the same, and its user is told what to type. */
async function startService(context: Context): Promise<InstalledService | null> {
  try {
    const installed = await installedOrByHand(context, scopeOf({ user: false }));
    sayInstalled(installed, context);
    return installed;
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'unsupported') throw error;
    context.output.warn(error.message);
    return null;
  }
}

/** Lists what is found on the local network. @param server the one that is looked for: once it is found, the others do not matter */
async function discovered(
  { output, signal }: Context,
  server: string | undefined,
): Promise<readonly FoundServer[]> {
  output.words('Looking for ip-servers on the local network …');
  const isEnough = (found: readonly FoundServer[]): boolean => found.some(({ id }) => id === server);
  const found = await discoverOnLan({ signal, isEnough });
  for (const { name, id, addresses } of found) {
    output.json({ type: 'server', name, id, addresses });
    output.line(`${printable(name)}  id ${id}  at ${addresses.join(', ')}`);
  }
  if (found.length === 0)
    output.words(
      'None was found: `ip-server start --advertise-lan` makes one known; other networks are not looked at.',
    );
  else output.words('Any machine can say so: the link of an invite proves which one is yours.');
  return found;
}

/** An invite with the addresses at which its server was found before its own: the server proves its id there. */
function foundAt(invite: Invite, found: readonly FoundServer[], { output }: Context): Invite {
  if (found.length === 0) return invite;
  const here = found.find(({ id }) => id === invite.grant.server);
  if (here === undefined) {
    output.words('None of them is the server of the invite: it is looked for where the invite says.');
    return invite;
  }
  return { ...invite, addresses: merged(here.addresses.map(parseHostPort), invite.addresses) };
}

async function lockHome({ home }: Context): ReturnType<typeof acquireLock> {
  try {
    return await acquireLock(home.lockFile);
  } catch (error) {
    if (!(error instanceof FilerError) || error.code !== 'already-running') throw error;
    throw new FilerError(
      'already-running',
      `${messageOf(error)}; a running daemon cannot join again, \`filer-client stop\` ends it`,
      {
        cause: error,
      },
    );
  }
}

function parsedLink(text: string | undefined): Invite | undefined {
  return text === undefined ? undefined : parseInvite(text);
}

/** Whether a person is asked for the link, also one who names standard input: a terminal shows no end of input. */
function isAsked({ link = '-' }: JoinArguments, { stdin, output }: Context): boolean {
  return link === '-' && isTerminal(stdin) && output.isTerminal && !output.jsonMode;
}

/** The link from the argument, standard input, or a file. @returns undefined where only a list was wanted */
async function readLink(
  { link: given, discover }: JoinArguments,
  { stdin }: Context,
): Promise<string | undefined> {
  const link = given ?? '-';
  if (link === '-') {
    const piped = await readAll(stdin);
    if (piped.trim() === '') {
      if (discover && given === undefined) return undefined;
      throw new FilerError(
        'usage',
        'standard input has no invite: pipe the link in, as in `filer-client join - < invite.txt`',
      );
    }
    return piped.slice(0, MAX_INVITE_CHARACTERS);
  }
  if (link.startsWith('filer:')) return link;
  try {
    return (await readFile(link, 'utf8')).slice(0, MAX_INVITE_CHARACTERS);
  } catch (error) {
    throw new FilerError(
      'invite-malformed',
      `${JSON.stringify(link)} is neither an invite link (filer://…) nor a file that can be read (${messageOf(error)})`,
      { cause: error },
    );
  }
}

function isTerminal(stream: NodeJS.ReadableStream): boolean {
  return 'isTTY' in stream && stream.isTTY === true;
}

async function askForLink(signal: AbortSignal): Promise<string> {
  const { isCancel, password } = await import('@clack/prompts');
  // Not echoed: an invite lets its holder in.
  const answer = await password({ message: 'Paste the link that `ip-server invite` printed', signal });
  signal.throwIfAborted();
  if (isCancel(answer) || answer === undefined) throw new FilerError('interrupted', 'nothing was joined');
  return answer;
}

type Enrolling = (identity: Identity) => Promise<MembershipFile>;

async function enrolAsIs(folder: string, enrolling: Enrolling): Promise<MembershipFile> {
  const { identity } = await loadOrCreateIdentity(folder);
  return enrolling(identity);
}

/**
 * A cloned machine needs a key of its own. The new one takes the place of the old only once it is a member's: a
 * join that fails leaves everything as it was. The old one is kept beside it, in case that was a mistake.
 */
async function enrolAnew(folder: string, enrolling: Enrolling): Promise<MembershipFile> {
  const draft = await mkdtemp(joinPath(folder, 'new-identity-'));
  try {
    const file = await enrolAsIs(draft, enrolling);
    const suffix = `.${new Date().toISOString().replaceAll(/[:.]/g, '-')}.old`;
    for (const name of ['key.pem', 'cert.pem']) {
      const path = joinPath(folder, name);
      await rename(path, path + suffix).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT') throw error;
      });
      await rename(joinPath(draft, name), path);
    }
    return file;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

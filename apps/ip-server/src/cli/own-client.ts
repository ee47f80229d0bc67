import { existsSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { FilerError, messageOf } from '@filer/protocol';
import { runToEnd, type Context } from '@filer/program';
import { asking } from './asking.ts';
import { newLink } from './members/new-link.ts';

/** The invite is used at once, or not at all. */
const INVITE_VALID_MS = 600_000;

/** How long a command of the client may take. */
const CLIENT_TIMEOUT_MS = 60_000;

export interface Admitting {
  /** Without a question, also where the network is not new. */
  readonly join: boolean;
  readonly noJoin: boolean;
  /** Whether the network was made now. */
  readonly isNew: boolean;
}

/**
 * Has this machine's own filer-client join the network, with an invite of one use: when that was asked for, or in a new
 * network when a person says yes. Says in one line what it did. Rejects only for a fault of this program.
 */
export async function admitOwnClient(
  { join: asked, noJoin, isNew }: Admitting,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const ask = noJoin || !isNew ? undefined : context.ask;
  if (!asked && ask === undefined) return;
  try {
    const client = clientBeside(context);
    const standing = client === undefined ? 'missing' : await standingOf(client, context);
    if (client === undefined || standing !== 'not joined') {
      if (asked) output.warn(standing === 'missing' ? MISSING : `${standing}: it stays as it is`);
      return;
    }
    if (!asked && (await ask?.("Admit this machine's own filer-client to the network as well?")) !== true)
      return;
    const link = await asking(context, { exclusive: true }, async (server) => {
      const made = await newLink(
        { groups: [], expiresMs: INVITE_VALID_MS, uses: 1, networkKey: undefined },
        server,
        context,
      );
      return made.link;
    });
    const { failure, text } = await ran([...client, 'join', '-', '--json'], context, link);
    const name = /"name":"([a-z0-9-]+)"/.exec(text)?.[1];
    if (failure !== undefined || name === undefined)
      throw new FilerError('internal', lastLine(text) ?? failure ?? '');
    output.words(
      `This machine's own filer-client has joined as ${name}. Next, in another terminal:  filer start`,
    );
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof FilerError)) throw error;
    output.warn(
      `the filer-client of this machine has not joined (${messageOf(error)}): \`ip-server invite | filer join -\``,
    );
  }
}

const MISSING = 'there is no filer-client beside this ip-server or in PATH, so none has joined';

/** The command of the filer-client that was installed with this program, else the one that the shell finds. */
function clientBeside({ bin, env }: Context): string[] | undefined {
  const beside = join(dirname(bin), '../../filer-client/bin/filer-client.js');
  if (existsSync(beside)) return [process.execPath, beside];
  const found = (env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'filer-client'))
    .find((file) => statSync(file, { throwIfNoEntry: false })?.isFile() === true);
  return found === undefined ? undefined : [found];
}

/** @returns `not joined`, or in words what else it is */
async function standingOf(client: readonly string[], context: Context): Promise<string> {
  const { failure, text } = await ran([...client, 'status', '--json'], context);
  if (failure === undefined) return 'the filer-client of this machine is a member of a network already';
  if (text.includes('"code":"not-joined"')) return 'not joined';
  throw new FilerError('internal', lastLine(text) ?? failure);
}

async function ran(
  command: readonly string[],
  { env, signal }: Context,
  input = '',
): Promise<{ readonly failure: string | undefined; readonly text: string }> {
  let text = '';
  const { failure } = await runToEnd({
    command,
    cwd: process.cwd(),
    env: Object.fromEntries(
      Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    ),
    timeoutMs: CLIENT_TIMEOUT_MS,
    signal,
    input: [input],
    onOutput: (more) => (text += more),
  });
  return { failure, text };
}

/** What a program said for people, without its own name. */
function lastLine(text: string): string | undefined {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('{'));
  return lines.at(-1)?.replace(/^filer-client: /, '');
}

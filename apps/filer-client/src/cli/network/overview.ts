import { FilerError } from '@filer/protocol';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { Peers } from '../../api/contract/peers.ts';
import { openDaemon } from '../../api/daemon-client.ts';
import { overviewLines, type Overview } from './overview-lines.ts';

/** Where no daemon keeps the directory, the server may take half of this, in ms: the disk knows most of it. */
const ASK_SERVER_MS = 4_000;

export const examples = ['overview', 'overview --json'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output, calledAs } = context;
  const found = await look(context);
  if (found === undefined) output.json({ joined: false });
  else output.json({ joined: true, ...found });
  for (const line of found === undefined ? firstSteps(calledAs) : overviewLines(found, context))
    output.line(line);
}

/** @returns undefined on a machine that is in no network */
async function look(context: Context): Promise<Overview | undefined> {
  const { signal } = context;
  try {
    await using daemon = await openDaemon(context);
    let peers: Peers | undefined;
    try {
      peers = await daemon.call(contract.peers, { timeoutMs: ASK_SERVER_MS }, { signal });
    } catch (error) {
      if (!(error instanceof FilerError) || error.code !== 'removed') throw error;
    }
    // After the server was asked: what it says of this machine counts here, too.
    const status = await daemon.call(contract.status, {}, { signal });
    return { status, peers, transfers: await daemon.call(contract.transfers, {}, { signal }) };
  } catch (error) {
    if (error instanceof FilerError && error.code === 'not-joined') return undefined;
    throw error;
  }
}

function firstSteps(calledAs: string): string[] {
  return [
    'This machine is in no network.',
    '',
    'Join one, with a link from `ip-server invite`:',
    `  ${calledAs} join - --service`,
    'Or start one on this machine:',
    '  ip-server start',
  ];
}

import { fstatSync } from 'node:fs';
import { Readable } from 'node:stream';
import { aborted, FilerError } from '@filer/protocol';
import { contentOf, openHome, type Context, type ProgressMode } from '@filer/program';
import { guardFolders, requireNotOwn } from '@filer/transfer';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { clientOf, openEphemeral } from '../../api/daemon-here.ts';
import type { SendDone, SendEvent, SendParams } from '../../api/contract/send.ts';
import { STANDARD_INPUT } from '../../jobs/send-request.ts';
import { newSpoolFile, removeSpooled } from '../../send/spool-folder.ts';
import { SpooledStream } from '../../send/spooled-stream.ts';
import { showJob } from './job-following.ts';

type Request = Omit<SendParams, 'paths' | 'spooled' | 'summed'>;

/**
 * `send - --as NAME`: what comes on standard input goes as it comes. In this process even where a daemon runs, which
 * could not continue with it anyway; with --queue it is kept whole first, and then a job like any other.
 */
export async function sendStandardInput(
  paths: readonly string[],
  request: Request,
  progress: ProgressMode | undefined,
  context: Context,
): Promise<number> {
  checkRequest(paths, request);
  const { home, output, stdin, signal } = context;
  using _guard = guardFolders(home.own);
  const content = contentOf(stdin);
  if (stdin === process.stdin) requireNotOwn(STANDARD_INPUT, fstatSync(0, { bigint: true }));
  await openHome(home);
  if ('isTTY' in stdin && stdin.isTTY === true)
    output.hint('Type the text to send; Ctrl-D on a new line ends it.');
  const spooled = await SpooledStream.open(content, await newSpoolFile(home.outgoing));
  const params = { ...request, paths: [spooled.file], spooled: true };
  let isKept = false;
  try {
    return await showJob(context, progress, async (tell) => {
      const onItem = (event: SendEvent): void => {
        // From here on the job has it, and removes it when everyone has got it.
        if (event.type === 'job') isKept = true;
        tell(event);
      };
      if (!request.queue) {
        await using daemon = clientOf(await openEphemeral(context, { growing: spooled }));
        return hint(await daemon.call(contract.send, params, { onItem, signal }), context);
      }
      await Promise.race([spooled.reach(Infinity), aborted(signal)]);
      signal.throwIfAborted();
      return hint(await call(context, contract.send, params, onItem), context);
    });
  } finally {
    // What broke off is never sent as if it were all.
    if (!isKept || !spooled.isComplete) await removeSpooled([spooled.file], false);
    if (content instanceof Readable) content.destroy();
  }
}

function hint(done: SendDone, { output }: Context): SendDone {
  if (!done.ok) output.hint(`The input is kept for a week:  filer-client retry ${done.job}`);
  return done;
}

function checkRequest(paths: readonly string[], { as, dryRun, mirror }: Request): void {
  if (paths.length > 1)
    throw new FilerError(
      'usage',
      '- (standard input) cannot be combined with files: send the files by another command',
    );
  if (as === '')
    throw new FilerError('usage', 'standard input has no name: give it one with --as, such as --as x.tar');
  if (mirror)
    throw new FilerError('usage', '--delete is for folders: it cannot be combined with - (standard input)');
  if (dryRun)
    throw new FilerError('usage', '--dry-run cannot be combined with -: the input is not known in advance');
}

import { FilerError } from '@filer/protocol';
import { counted, formatAgo, iso, printable, type Context, type Loss } from '@filer/program';
import type { QueuedText } from '../../store/queued-text-store.ts';
import { openMember } from '../home-member.ts';

const ID_CHARACTERS = 8;

export interface QueuedArguments {
  readonly ids: readonly string[];
  readonly delete: boolean;
  readonly dryRun: boolean;
}

/** `messages --queued`: own texts that wait for their recipients. */
export async function runQueued(args: QueuedArguments, context: Context): Promise<void> {
  using member = await openMember(context);
  const { output } = context;
  const texts = select(member.queuedTexts.all(), args);
  if (args.delete && !args.dryRun) for (const text of texts) member.queuedTexts.remove(text);
  const documents = texts.map(documentOf);
  if (args.delete)
    output.json({ action: 'delete', dryRun: args.dryRun, count: texts.length, queued: documents });
  else output.json({ queued: documents });
  if (!args.delete || args.dryRun) for (const text of texts) output.line(lineOf(text));
  if (args.delete)
    output.line(
      `${counted(texts.length, 'queued message')} ${args.dryRun ? 'would be deleted' : 'deleted, and not sent'}`,
    );
  else if (texts.length === 0) output.words('No messages wait for their recipients.');
}

/** Of `messages --queued --delete`. */
export async function queuedLoss(args: QueuedArguments, context: Context): Promise<Loss> {
  using member = await openMember(context);
  const texts = select(member.queuedTexts.all(), args);
  return {
    lines: texts.slice(0, 10).map(lineOf),
    question: `Delete ${counted(texts.length, 'queued message')} unsent?`,
  };
}

/** @throws FilerError `no-such-message` */
function select(texts: readonly QueuedText[], { ids }: QueuedArguments): QueuedText[] {
  const missing = ids.find((typed) => !texts.some(({ id }) => id.startsWith(typed)));
  if (missing !== undefined)
    throw new FilerError(
      'no-such-message',
      `no queued message has the id ${missing}: \`filer-client messages --queued\` lists them`,
    );
  return texts.filter(({ id }) => ids.length === 0 || ids.some((typed) => id.startsWith(typed)));
}

function lineOf({ id, name, text, time, state, reason }: QueuedText): string {
  const why = reason === '' ? '' : ` (${printable(reason)})`;
  return `${id.slice(0, ID_CHARACTERS)}  to ${name}, ${formatAgo(time, Date.now())}, ${state}${why}: ${printable(text)}`;
}

function documentOf({ id, peer: toId, name, to, text, time, state, reason }: QueuedText): object {
  return { id, to: name, toId, target: to.startsWith('@') ? to : name, text, time: iso(time), state, reason };
}

import { FilerError } from '@filer/protocol';
import {
  counted,
  flag,
  formatAgo,
  list,
  MOMENT,
  optional,
  renderTable,
  textKind,
  type ArgumentValues,
  type Column,
  type Confirms,
  type Context,
  type Loss,
} from '@filer/program';
import { messageDocument, senderName } from '../../network/message-document.ts';
import { SERVER_NAME, SHOWN_SERVER_NAME } from '../../network/server-name.ts';
import type { Member } from '../../network/member.ts';
import type { KeptMessage } from '../../store/message-store.ts';
import { requireKnownPeer } from '../../network/known-peer.ts';
import { openMember } from '../home-member.ts';
import { queuedLoss, runQueued, type QueuedArguments } from './queued-texts.ts';
import { PEER } from '../arguments.ts';

export const args = {
  ids: list(textKind('an id, or its beginning', { completes: 'message' }), 'only these messages'),
  from: optional(PEER, 'only texts from the machine of this name; ip-server for the server'),
  before: optional(MOMENT, 'only texts received before this time'),
  delete: flag('delete them: those named by id, --from and --before, or --all'),
  keep: flag('keep them, regardless of --keep-messages and --message-space of `start`'),
  noKeep: flag('undo --keep'),
  all: flag('with --delete, --keep and --no-keep: all messages'),
  dryRun: flag('with --delete: show what would be deleted, and delete nothing', { alias: 'n' }),
  queued: flag('list own messages that wait for their recipients (message --queue); --delete cancels them'),
};

export const examples = [
  'messages --from bob',
  'messages --delete k3q9',
  'messages --delete --before 90d --dry-run',
  'messages --keep k3q9',
];

export const confirms: Confirms<typeof args> = {
  with: '--delete',
  when: (args) => args.delete && !args.dryRun,
};

type MessagesArguments = ArgumentValues<typeof args>;

/** Messages that are listed before it is asked whether to delete them. */
const SHOWN_BEFORE_DELETION = 10;

/** Of an id in a list: enough to tell messages apart, and short to type. */
const ID_CHARACTERS = 8;

export async function lossOf(args: MessagesArguments, context: Context): Promise<Loss> {
  if (args.queued) return await queuedLoss(queuedOf(args), context);
  actionOf(args);
  using member = await openMember(context);
  const messages = select(member, args, member.clock.now());
  showList(
    member,
    messages.slice(0, SHOWN_BEFORE_DELETION),
    (line) => context.output.asked(line, '\n'),
    context.output.columns,
  );
  const more = messages.length - SHOWN_BEFORE_DELETION;
  const kept = messages.filter((message) => message.kept).length;
  return {
    lines: [
      ...(more > 0 ? [`… and ${more} more`] : []),
      ...(kept === 0 ? [] : [`${counted(kept, 'message')} of them are marked with --keep.`]),
    ],
    question: `Delete ${counted(messages.length, 'message')}?`,
  };
}

export async function run(args: MessagesArguments, context: Context): Promise<void> {
  if (args.queued) return await runQueued(queuedOf(args), context);
  const action = actionOf(args);
  using member = await openMember(context);
  const now = member.clock.now();
  const messages = select(member, args, now);
  if (action === undefined) {
    show(member, messages, context);
    return;
  }
  const { output } = context;
  const keys = messages.map(({ key }) => key);
  if (action === 'delete' && !args.dryRun) member.messages.delete(keys, now);
  if (action !== 'delete') member.messages.keep(keys, action === 'keep');
  output.json({
    action,
    dryRun: args.dryRun,
    count: messages.length,
    messages: messages.map((message) => messageDocument(member, message)),
  });
  if (args.dryRun) showList(member, messages, (line) => output.quote(line), output.columns);
  const what = counted(messages.length, 'message');
  output.line(args.dryRun ? `${what} would be deleted` : `${what} ${DONE[action]}`);
}

const COLUMNS: readonly Column[] = [
  { title: 'ID', fit: 'whole' },
  { title: 'WHEN', fit: 'whole' },
  { title: 'FROM', fit: 'whole' },
  { title: 'TEXT' },
];

type Action = 'delete' | 'keep' | 'no-keep';

const DONE: Readonly<Record<Action, string>> = {
  delete: 'deleted',
  keep: 'exempt from retention',
  'no-keep': 'subject to retention again',
};

/** @returns undefined to show them only @throws FilerError `usage` */
function actionOf(args: MessagesArguments): Action | undefined {
  const { ids, from, before, all, dryRun } = args;
  const given = [
    ...(args.delete ? ['delete' as const] : []),
    ...(args.keep ? ['keep' as const] : []),
    ...(args.noKeep ? ['no-keep' as const] : []),
  ];
  const [action] = given;
  if (given.length > 1)
    throw new FilerError('usage', `--${given.join(' and --')} exclude each other: give one of them`);
  if (dryRun && action !== 'delete') throw new FilerError('usage', '--dry-run needs --delete');
  if (action === undefined && all)
    throw new FilerError(
      'usage',
      '--all needs --delete, --keep or --no-keep: without it all messages are shown',
    );
  const some = ids.length > 0 || from !== undefined || before !== undefined;
  if (action !== undefined && some === all) {
    throw new FilerError(
      'usage',
      `say which to --${action}: ids (\`filer-client messages\` shows them), --from NAME, --before TIME, or --all`,
    );
  }
  return action;
}

/** @throws FilerError `no-such-message`, `usage` */
function select(member: Member, args: MessagesArguments, now: number): KeptMessage[] {
  const { ids, from, before } = args;
  if (from !== undefined && from !== SERVER_NAME) requireKnownPeer(member, from);
  const start = before?.(now) ?? Number.POSITIVE_INFINITY;
  const messages = member.messages
    .all()
    .filter(
      (message) =>
        message.receivedAt < start &&
        (from === undefined || message.from === from || senderName(member, message.from) === from),
    );
  if (ids.length === 0) return messages;
  const named = new Set(ids.map((id) => oneOf(messages, id)));
  return messages.filter((message) => named.has(message));
}

function oneOf(messages: readonly KeptMessage[], id: string): KeptMessage {
  const beginning = messages.filter((message) => message.id.startsWith(id));
  const exact = beginning.filter((message) => message.id === id);
  const found = exact.length > 0 ? exact : beginning;
  const [first] = found;
  if (first === undefined)
    throw new FilerError(
      'no-such-message',
      `no message has the id ${id}: \`filer-client messages\` lists them`,
    );
  if (found.length > 1) {
    throw new FilerError(
      'usage',
      `${id} is the beginning of ${found.length} messages: type more of it, or say whose with --from`,
    );
  }
  return first;
}

function show(member: Member, messages: readonly KeptMessage[], context: Context): void {
  const { output } = context;
  output.json({ messages: messages.map((message) => messageDocument(member, message)) });
  showList(member, messages, (line) => output.quote(line), output.columns);
  if (messages.length === 0) output.words('No messages yet.');
}

/** A table, a line for each of `print`. */
function showList(
  member: Member,
  messages: readonly KeptMessage[],
  print: (line: string) => void,
  columns: number,
): void {
  if (messages.length === 0) return;
  const now = Date.now();
  const rows = messages.map(({ id, from, to, text, time, kept }) => [
    id.slice(0, ID_CHARACTERS),
    `${formatAgo(time, now)}${kept ? ', kept' : ''}`,
    `${senderName(member, from, SHOWN_SERVER_NAME)}${to === member.id ? '' : ` to ${to}`}`,
    text,
  ]);
  print(renderTable(COLUMNS, rows, columns));
}

function queuedOf(args: MessagesArguments): QueuedArguments {
  const { ids, from, before, keep, noKeep, all, dryRun, delete: deletes } = args;
  if (from !== undefined || before !== undefined || keep || noKeep)
    throw new FilerError('usage', '--queued can be combined with ids, --delete, --all and --dry-run only');
  if (deletes ? ids.length > 0 === all : all || dryRun)
    throw new FilerError(
      'usage',
      'say which to --delete: ids (`filer-client messages --queued` shows them), or --all',
    );
  return args;
}

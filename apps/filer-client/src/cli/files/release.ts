import { FilerError, MAX_RELEASES_KEPT } from '@filer/protocol';
import {
  defaulted,
  DURATION,
  flag,
  formatBytes,
  integerKind,
  iso,
  localTime,
  list,
  optional,
  printable,
  renderTable,
  required,
  textKind,
  type ArgumentValues,
  type Column,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { RecipientStage, RolloutDone } from '../../api/contract/releases.ts';
import { call } from '../../api/daemon-client.ts';
import { JOB, TARGET } from '../arguments.ts';

const common = {
  job: required(JOB, 'which job, sent with --stage'),
  to: list(TARGET, 'only these of its recipients', { commas: true, alias: 't' }),
  wave: list(
    textKind('a number of machines, a share such as 10%, or all'),
    'number of machines that have it after each wave, for example 1,10%,all; a failure stops the rest',
    { commas: true },
  ),
  pauseMs: defaulted(DURATION, '0s', 'pause between two waves'),
  withdraw: flag('cancel what is planned, pauses, or waits for offline machines'),
};

const releaseArgs = {
  ...common,
  at: optional(
    textKind('a time such as 2026-12-24T03:00, or 03:00'),
    'time at which the daemon of this machine starts it',
  ),
  keep: defaulted(
    integerKind({ min: 1, max: MAX_RELEASES_KEPT, example: 3 }),
    '1',
    'number of releases of which recipients keep what was there before',
  ),
};

export const release = {
  args: releaseArgs,
  examples: [
    'release k3q9',
    'release k3q9 --wave 1,10%,all --pause 10m',
    'release k3q9 --to @lab --at 03:00',
    'release k3q9 --withdraw',
  ],
  run: async (
    { job, to, wave, pauseMs, at, keep, withdraw }: ArgumentValues<typeof releaseArgs>,
    context: Context,
  ): Promise<number> => {
    const asked = { job, to, waves: wave, pauseMs, act: 'release' } as const;
    if (withdraw) return await takeBack({ ...asked, ...(at === undefined ? {} : { at }) }, context);
    const when = at === undefined ? {} : { at: timeOf(at, new Date()) };
    return await follow({ ...asked, keep, ...when }, context);
  },
};

export const rollback = {
  args: common,
  examples: ['rollback k3q9', 'rollback k3q9 --to bob'],
  run: async (
    { job, to, wave, pauseMs, withdraw }: ArgumentValues<typeof common>,
    context: Context,
  ): Promise<number> => {
    const asked = { job, to, waves: wave, pauseMs, act: 'rollback' } as const;
    return await (withdraw ? takeBack(asked, context) : follow(asked, context));
  },
};

interface Asked {
  readonly job: string;
  readonly act: 'release' | 'rollback';
  readonly to: readonly string[];
  readonly waves: readonly string[];
  readonly pauseMs: number;
  readonly at?: string;
  readonly keep?: number;
}

async function follow({ to, waves, ...asked }: Asked, context: Context): Promise<number> {
  const { output } = context;
  const params = { ...asked, ...(to.length === 0 ? {} : { to: [...to] }), waves: [...waves] };
  const said = new Map<string, string>();
  const done = await call(context, contract.rollout, params, (told) => {
    output.json(told);
    // Some of what changes is in the document alone.
    const words = printable(stageInWords(told));
    if (!output.jsonMode && said.get(told.name) !== words) output.words(`${told.name}  ${words}`);
    said.set(told.name, words);
  });
  output.json(done);
  if (!output.jsonMode) show(done, context);
  return done.exitCode;
}

async function takeBack({ job, act, to, waves, at }: Asked, context: Context): Promise<number> {
  const { output } = context;
  if (waves.length > 0 || at !== undefined)
    throw new FilerError('usage', `--withdraw takes back a ${act}: leave out --wave and --at`);
  const done = await call(context, contract.withdrawRollout, {
    job,
    act,
    ...(to.length === 0 ? {} : { to: [...to] }),
  });
  output.json(done);
  if (output.jsonMode) return done.exitCode;
  output.line(renderTable(COLUMNS, done.recipients.map(rowOf), output.columns));
  output.words(
    `Withdrawn: machines that have done it keep it. Begin again with \`filer-client ${act} ${done.job}\`.`,
  );
  return done.exitCode;
}

const COLUMNS: readonly Column[] = [
  { title: 'MACHINE', fit: 'whole' },
  { title: 'WAVE', fit: 'whole', align: 'right', dropOrder: 3 },
  { title: 'STATE', fit: 'whole' },
  { title: 'HOOK', fit: 'whole', dropOrder: 2 },
  { title: 'SAYS', fit: 'below' },
];

function show(
  { job, act, state, recipients, at, wave, waves, status }: RolloutDone,
  { output }: Context,
): void {
  output.line(renderTable(COLUMNS, recipients.map(rowOf), output.columns));
  const continues = `filer-client ${act} ${job}`;
  if (state === 'planned')
    output.words(
      `Planned for ${at === null ? 'later' : localTime(at)}: the daemon here begins then. Take it back with \`filer-client ${act} ${job} --withdraw\`.`,
    );
  if (state === 'waiting')
    output.words('Machines that are away follow when they come, while a daemon runs here.');
  if (state === 'stopped')
    output.warn(
      `stopped: ${printable(status)}${wave < waves ? `; machines after wave ${wave} are as they were` : ''}. Continue with \`${continues}\`${act === 'release' ? `, or undo it with \`filer-client rollback ${job}\`` : ''}`,
    );
}

function rowOf(each: RecipientStage): string[] {
  const { name, wave, state, hook, status } = each;
  return [
    name,
    wave === 0 ? '' : String(wave),
    state,
    hook === null ? '' : hookInWords(hook),
    printable(status === '' ? (hook?.line ?? '') : status),
  ];
}

export function hookInWords({ state, exitCode }: NonNullable<RecipientStage['hook']>): string {
  if (state === 'running') return 'running';
  if (state === 'unknown') return 'not awaited';
  return exitCode === null ? 'failed' : `exit ${exitCode}`;
}

/** `released: 20 files, 3 MB, hook exit 0: restarted` */
function stageInWords({ state, files, bytes, removed, hook, status }: RecipientStage): string {
  const amount =
    state === 'waiting' ? '' : `: ${files === 1 ? '1 file' : `${files} files`}, ${formatBytes(bytes)}`;
  const gone = removed === 0 ? '' : `, ${removed} removed`;
  const program =
    hook === null ? '' : `, hook ${hookInWords(hook)}${hook.line === '' ? '' : `: ${hook.line}`}`;
  return `${state}${amount}${gone}${program}${status === '' ? '' : `; ${status}`}`;
}

/** A time of day is the next such time. @throws FilerError `usage` */
function timeOf(typed: string, now: Date): string {
  const { hour, minute } = /^(?<hour>\d{1,2}):(?<minute>\d{2})$/.exec(typed)?.groups ?? {};
  if (hour === undefined) {
    const time = Date.parse(typed);
    if (!Number.isNaN(time)) return iso(time);
    throw new FilerError(
      'usage',
      `--at ${JSON.stringify(typed)} is no time: give one such as 2026-12-24T03:00, or 03:00`,
    );
  }
  const [hours, minutes] = [Number(hour), Number(minute)];
  if (hours > 23 || minutes > 59) throw new FilerError('usage', `--at ${typed} is no time of day`);
  const time = new Date(now);
  time.setHours(hours, minutes, 0, 0);
  if (time <= now) time.setDate(time.getDate() + 1);
  return iso(time.getTime());
}

import {
  counted,
  formatBytes,
  openProgress,
  printable,
  progressArgument,
  required,
  requireDaemon,
  screenLines,
  type ArgumentValues,
  type Context,
  type ProgressDisplay,
  type ProgressState,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import type {
  CollectRunDone,
  CollectRunEvent,
  MachineEntry,
  MachineState,
} from '../../api/contract/collects.ts';
import { COLLECT } from '../arguments.ts';
import { machinesScreen, stateWords, whyOrWhere } from './collect-messages.ts';

export const args = { name: required(COLLECT, 'which collect'), progress: progressArgument };

export const examples = ['collect run results'];

/** Progress while the machines deliver, and a table of how they stand; without a terminal a line for each when it comes to an end. */
export async function run(
  { name, progress: mode }: ArgumentValues<typeof args>,
  context: Context,
): Promise<number> {
  const { output, signal, home } = context;
  await using daemon = await requireDaemon(home, { signal });
  const progress = await openProgress(context, mode);
  const machines = new Map<string, MachineEntry>();
  const told = new Map<string, string>();
  let begun = false;
  let done: CollectRunDone;
  try {
    const onItem = (event: CollectRunEvent): void => {
      output.json(event);
      if (event.type === 'run') {
        begun = true;
        progress.say(`${name} ${event.run}: ${counted(event.expected, 'machine')} asked`);
        return;
      }
      machines.set(event.id, event);
      showMachine(event, progress);
      if (!progress.isDrawn) tell(event, told, context);
    };
    done = await daemon.call(contract.collectRun, { name }, { onItem, signal });
  } catch (error) {
    if (begun && signal.aborted)
      progress.say(`The run continues in the background:  ip-server collect show ${name} --watch`);
    throw error;
  } finally {
    progress.stop();
  }
  if (progress.isDrawn && machines.size > 0) {
    const screen = machinesScreen(
      [...machines.values()],
      { now: Date.now(), columns: output.columns },
      context,
    );
    for (const line of screenLines(screen)) output.line(line);
  }
  output.json(done);
  const { delivered, expected, files, bytes } = done;
  if (expected === 0) output.warn(`no machine is expected: the sources of ${name} have no machines`);
  else
    output.words(
      `${delivered} of ${counted(expected, 'machine')} delivered ${counted(files, 'file')}, ${formatBytes(bytes)}`,
    );
  if (delivered < expected)
    output.words(`The other machines are asked again until the next run:  ip-server collect show ${name}`);
  return done.exitCode;
}

const STATES: Readonly<Partial<Record<MachineState, ProgressState>>> = {
  missing: 'failed',
  late: 'queued',
  failed: 'failed',
  asked: 'connecting',
  waiting: 'queued',
  left: 'failed',
  removed: 'failed',
};

function showMachine({ name, state, progress, files, bytes }: MachineEntry, display: ProgressDisplay): void {
  if (state === 'delivered') {
    const done = { bytesDone: bytes, bytesTotal: bytes, filesDone: files, filesTotal: files };
    display.show(name, { ...done, complete: true }, bytes);
  } else if (progress !== null) {
    const { files: filesDone, filesTotal, bytes: bytesDone, bytesTotal, complete } = progress;
    display.show(name, { filesDone, filesTotal, bytesDone, bytesTotal, complete }, bytesDone);
  } else display.mark(name, STATES[state] ?? 'connecting');
}

/** A line for each machine when it comes to an end, or fails. */
function tell(machine: MachineEntry, told: Map<string, string>, { output }: Context): void {
  const { id, name, state, files, bytes } = machine;
  const amount = state === 'delivered' ? `  ${counted(files, 'file')}, ${formatBytes(bytes)}` : '';
  const line =
    `${name}  ${stateWords(machine)}${amount}  ${printable(whyOrWhere(machine, output))}`.trimEnd();
  const isOver = state !== 'asked' && state !== 'delivering' && (state !== 'waiting' || !machine.online);
  if (isOver && told.get(id) !== line) output.line(line);
  if (isOver) told.set(id, line);
}

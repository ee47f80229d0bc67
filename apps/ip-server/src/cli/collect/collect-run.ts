import {
  counted,
  LiveView,
  printable,
  requireDaemon,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { formatBytes } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { CollectRunDone, CollectRunEvent, MachineEntry } from '../../api/contract/collects.ts';
import type { collectArguments } from '../arguments.ts';
import { machinesScreen, stateWords, whyOrWhere } from './collect-messages.ts';

/** A table that goes on while the machines deliver, or without a terminal a line for each that comes to an end. */
export async function run(
  { name }: ArgumentValues<typeof collectArguments>,
  context: Context,
): Promise<number> {
  const { output, signal, home } = context;
  await using daemon = await requireDaemon(home, { signal });
  const machines = new Map<string, MachineEntry>();
  const told = new Map<string, string>();
  let begun = false;
  let done: CollectRunDone;
  {
    using view = output.dataIsForTerminal && !output.jsonMode ? viewOf(context) : undefined;
    const onItem = (event: CollectRunEvent): void => {
      output.json(event);
      if (event.type === 'run') {
        begun = true;
        output.words(`${name} ${event.run}: ${counted(event.expected, 'machine')} asked`);
        return;
      }
      machines.set(event.id, event);
      if (view === undefined) tell(event, told, context);
      else view.show([...machines.values()]);
    };
    try {
      done = await daemon.call(contract.collectRun, { name }, { onItem, signal });
    } catch (error) {
      if (begun && signal.aborted)
        output.words(`The run continues in the background:  ip-server collect show ${name} --watch`);
      throw error;
    }
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

function viewOf(context: Context): LiveView<readonly MachineEntry[]> {
  return new LiveView(context, {
    layOut: (machines, { now, columns }) => machinesScreen(machines, now, columns, context.stdout),
  });
}

/** A line for each machine when it comes to an end, or fails. */
function tell(machine: MachineEntry, told: Map<string, string>, { output }: Context): void {
  const { id, name, state, files, bytes } = machine;
  const amount = state === 'delivered' ? `  ${counted(files, 'file')}, ${formatBytes(bytes)}` : '';
  const line = `${name}  ${stateWords(machine)}${amount}  ${printable(whyOrWhere(machine))}`.trimEnd();
  const isOver = state !== 'asked' && state !== 'delivering' && (state !== 'waiting' || !machine.online);
  if (isOver && told.get(id) !== line) output.line(line);
  if (isOver) told.set(id, line);
}

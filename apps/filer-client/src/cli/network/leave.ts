import { FilerError } from '@filer/protocol';
import type { Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { LeaveArguments } from '../arguments.ts';

export async function run({ yes }: LeaveArguments, context: Context): Promise<void> {
  const { output, signal } = context;
  if (!yes && output.isTerminal && !output.jsonMode) {
    const { confirm } = await import('@clack/prompts');
    const sure = await confirm({
      message: 'Leave the network? Coming back needs a new invite.',
      initialValue: false,
      signal,
    });
    signal.throwIfAborted();
    if (sure !== true) throw new FilerError('interrupted', 'still a member: nothing was changed');
  }
  const left = await call(context, contract.leave, {});
  output.json(left);
  output.line(
    left.told ? `${left.name} has left the network` : `${left.name} has left the network on this machine`,
  );
  if (!left.told) {
    output.warn(
      'the ip-server could not be told: it lists this machine as offline until `ip-server remove` is run there',
    );
  }
  if (left.jobs > 0) {
    const jobs =
      left.jobs === 1
        ? '1 transfer that ran or waited has'
        : `${left.jobs} transfers that ran or waited have`;
    output.warn(`${jobs} ended: \`filer-client history\` is there again once this machine is in a network`);
  }
  if (left.spooled > 0) {
    const reports = left.spooled === 1 ? '1 report was' : `${left.spooled} reports were`;
    output.warn(`${reports} never sent; what waits stays in ${context.home.databaseFile}`);
  }
}

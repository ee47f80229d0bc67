import { counted, DURATION, optional, type ArgumentValues, type Context, type Loss } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { notJoinedAnyLonger } from '../../network/member.ts';
import { call } from '../../api/daemon-client.ts';

export const args = {
  timeoutMs: optional(DURATION, 'how long the ip-server and the peers are told'),
};
type LeaveArguments = ArgumentValues<typeof args>;

export const examples = ['leave', 'leave --yes'];

export const confirms = 'always';

export async function lossOf({ timeoutMs }: LeaveArguments, context: Context): Promise<Loss> {
  const { ended, name, network, jobs, spool } = await call(context, contract.status, { timeoutMs });
  if (ended === 'left') throw notJoinedAnyLonger({ name, network });
  return {
    lines: [
      ended === 'removed'
        ? `${name} was removed from its network: with \`join - --new-identity\` and a new invite it comes back.`
        : `${name} leaves its network: it needs a new invite to come back.`,
      ...(jobs === 0 ? [] : [`${counted(jobs, 'transfer')} that run or wait end.`]),
      ...(spool === 0 ? [] : [`${counted(spool, 'report')} that wait for the ip-server are not sent.`]),
      'Received files, messages, the history and its receipts are kept.',
    ],
    question: 'Leave the network?',
  };
}

export async function run({ timeoutMs }: LeaveArguments, context: Context): Promise<void> {
  const { output } = context;
  const { ended } = await call(context, contract.status, { timeoutMs });
  const left = await call(context, contract.leave, { timeoutMs });
  output.json(left);
  output.line(
    left.told ? `${left.name} has left the network` : `${left.name} has left the network on this machine`,
  );
  // The ip-server knows of a machine that it has removed.
  if (!left.told && ended !== 'removed') {
    output.warn(
      'the ip-server could not be told: it lists this machine as offline until `ip-server remove` is run there',
    );
  }
  if (left.jobs > 0) {
    const jobs =
      left.jobs === 1
        ? '1 transfer that ran or waited has'
        : `${left.jobs} transfers that ran or waited have`;
    output.warn(`${jobs} ended: \`filer-client history\` lists them`);
  }
  if (left.spooled > 0) {
    const reports = left.spooled === 1 ? '1 report was' : `${left.spooled} reports were`;
    output.warn(`${reports} never sent; what waits stays in ${context.home.databaseFile}`);
  }
}

import { FilerError } from '@filer/protocol';
import type { reportMethods, SpooledReport } from '../../api/contract/reports.ts';
import { spoolReport } from '../../reports/spool-report.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { Deadline } from './deadline.ts';
import { requireAbsolute } from './read-path.ts';

/** `report KEY=VALUE…`: to disk first, then to the server. */
export const report: OperationOf<typeof reportMethods.report> = async (context, params, { signal }) => {
  const { values, title = '', timeoutMs } = params;
  const attach = (params.attach ?? []).map((path) => requireAbsolute(path, '--attach'));
  await context.daemon.prepareSpool();
  const body = { title, values, schedule: '' };
  const seq = await spoolReport(context.member, { kind: 'user', time: Date.now(), body, attach }, { signal });
  return { seq, ...(await sendSpooled(context, seq, signal, timeoutMs)) };
};

/**
 * Sends a report that is in the spool, or says why it waits there.
 *
 * @throws FilerError why the server refused it for good
 */
export async function sendSpooled(
  { member: { spool }, daemon }: OperationContext,
  seq: number,
  signal: AbortSignal,
  timeoutMs?: number,
): Promise<SpooledReport> {
  using deadline = new Deadline(timeoutMs, signal);
  const reason = await sent(deadline, signal, (stop) => daemon.sendSpooled(seq, stop));
  const state = spool.state(seq);
  if (state instanceof FilerError) {
    throw new FilerError(
      state.code,
      `the ip-server refused the report: ${state.message} (it is kept: \`filer-client report spool\`)`,
      { cause: state },
    );
  }
  const stored = state === undefined;
  return { stored, spooled: spool.size, ...(stored || reason === undefined ? {} : { reason }) };
}

/** A server that takes longer than the command may is one for which the report waits on the disk. */
async function sent(
  deadline: Deadline,
  signal: AbortSignal,
  send: (signal: AbortSignal) => Promise<string | undefined>,
): Promise<string | undefined> {
  try {
    return await deadline.whole(send);
  } catch (error) {
    if (signal.aborted || !(error instanceof FilerError) || error.code !== 'timed-out') throw error;
    return error.message;
  }
}

import { FilerError } from '@filer/protocol';
import type { reportMethods, SpooledReport } from '../../api/contract/reports.ts';
import { spoolReport } from '../../reports/spool-report.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { requireAbsolute } from './read-path.ts';

/** `report KEY=VALUE…`: to disk first, then to the server. */
export const report: OperationOf<typeof reportMethods.report> = async (context, params, { signal }) => {
  const { values, title = '' } = params;
  const attach = (params.attach ?? []).map((path) => requireAbsolute(path, '--attach'));
  await context.daemon.prepareSpool();
  const body = { title, values, schedule: '' };
  const seq = await spoolReport(context.member, { kind: 'user', time: Date.now(), body, attach }, { signal });
  return { seq, ...(await sendSpooled(context, seq, signal)) };
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
): Promise<SpooledReport> {
  const reason = await daemon.sendSpooled(seq, signal);
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

import { FilerError } from '@filer/protocol';
import type { RefusedReports, reportMethods, SpoolAnswer } from '../../api/contract/reports.ts';
import type { Refused } from '../../store/refused-reports.ts';
import type { OperationOf } from '../operation-context.ts';

/** `report spool retry` */
export const spoolRetry: OperationOf<typeof reportMethods.spoolRetry> = (
  { member: { spool }, access },
  params,
) => {
  const seqs = spool.retry(readWhich(params));
  access.kickSpool();
  return answer(seqs, spool.size, spool.refusedSize);
};

/** `report spool drop` */
export const spoolDrop: OperationOf<typeof reportMethods.spoolDrop> = ({ member: { spool } }, params) => {
  const seqs = spool.forget(readWhich(params));
  return answer(seqs, spool.size, spool.refusedSize);
};

function answer(seqs: readonly number[], spooled: number, refused: number): SpoolAnswer {
  return { seqs, spooled, refused };
}

/** @throws FilerError `usage` */
function readWhich({ all = false, numbers: seqs }: RefusedReports): Refused {
  if (all === seqs.length > 0) {
    throw new FilerError(
      'usage',
      'say which: numbers of refused reports (`filer-client report spool` lists them), or --all',
    );
  }
  return all ? 'all' : seqs;
}

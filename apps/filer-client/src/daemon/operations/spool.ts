import { fieldsOf, FilerError, integerOf, listOf } from '@filer/protocol';
import type { Refused } from '../../store/spool.ts';
import type { Operation } from '../site.ts';

/** What was done with refused reports. */
export interface SpoolAnswer {
  /** Their numbers, as they are now. */
  readonly seqs: readonly number[];
  /** Reports that wait now. */
  readonly spooled: number;
  /** Refused ones that are left. */
  readonly refused: number;
}

/** `report spool retry` */
export const spoolRetry: Operation = ({ member: { spool }, access }, params) => {
  const seqs = spool.retry(readWhich(params));
  access.kickSpool();
  return Promise.resolve(answer(seqs, spool.size, spool.refusedSize));
};

/** `report spool drop` */
export const spoolDrop: Operation = ({ member: { spool } }, params) => {
  const seqs = spool.forget(readWhich(params));
  return Promise.resolve(answer(seqs, spool.size, spool.refusedSize));
};

function answer(seqs: readonly number[], spooled: number, refused: number): SpoolAnswer {
  return { seqs, spooled, refused };
}

/** @throws FilerError `usage` */
function readWhich(params: unknown): Refused {
  const fields = fieldsOf(params, 'spool');
  const all = fields['all'] === true;
  const seqs = listOf(fields['numbers'], 'NUMBERS', Number.POSITIVE_INFINITY, (value, what) =>
    integerOf(value, what, 1),
  );
  if (all === seqs.length > 0) {
    throw new FilerError(
      'usage',
      'say which: numbers of refused reports (`filer-client report spool` lists them), or --all',
    );
  }
  return all ? 'all' : seqs;
}

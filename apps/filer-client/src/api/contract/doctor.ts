import { arrayOf, checkDocument, method, text } from '@filer/program';
import * as v from 'valibot';
import { timeoutMs } from './send.ts';

export const doctorMethods = {
  /**
   * Looks at this machine, its server, and the way to a peer. Tells each check when it is done.
   *
   * @param timeoutMs limit of the whole @default each check has its own
   */
  doctor: method('doctor', {
    params: v.object({ peer: v.optional(text(64)), timeoutMs: v.optional(timeoutMs) }),
    item: checkDocument,
    result: v.object({
      /** Of the daemon, or of the command where none runs. */
      version: v.string(),
      checks: arrayOf(checkDocument),
    }),
  }),
};

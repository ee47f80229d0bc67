import { FilerError, type ErrorCode } from '@filer/protocol';
import * as v from 'valibot';

/**
 * A value that came from the other side of a call, held against what the contract says of it. It is handed on as it came.
 *
 * @param words say what is wrong, before the place and the problem
 * @throws FilerError `code`
 */
export function checked<T>(schema: v.GenericSchema<T>, value: unknown, code: ErrorCode, words: string): T {
  if (v.is(schema, value)) return value;
  const [issue] = v.safeParse(schema, value, { abortEarly: true }).issues ?? [];
  const where = issue === undefined ? null : v.getDotPath(issue);
  const problem = issue?.message ?? 'it is not as declared';
  throw new FilerError(code, `${words}: ${where === null ? '' : `${where}: `}${problem}`);
}

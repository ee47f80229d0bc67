import { FilerError, type ErrorCode } from '@filer/protocol';

/** The code of the FilerError that `act` throws, or `none`. Any other error is thrown on. */
export function codeOf(act: () => unknown): ErrorCode | 'none' {
  try {
    act();
    return 'none';
  } catch (error) {
    if (error instanceof FilerError) return error.code;
    throw error;
  }
}

/** The FilerError that a promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<FilerError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FilerError) return error;
    throw error;
  }
  throw new Error('the promise was not rejected');
}

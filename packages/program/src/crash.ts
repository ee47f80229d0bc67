import { FilerError } from '@filer/protocol';

/** Watches for faults that no caller can catch: what an event listener throws, a rejection no one handles. */
export interface CrashWatch {
  /** Rejects with the first such fault; never resolves. */
  readonly promise: Promise<never>;
  happened(): boolean;
  /** From now on failures of disks, networks and other machines are reported instead: only a bug is such a fault. */
  readonly outliveFailures: (report: (error: unknown) => void) => void;
  stop(): void;
}

/** Starts watching. A fault ends the program loudly, and through the same door as every other failure. */
export function watchForCrash(): CrashWatch {
  const { promise, reject } = Promise.withResolvers<never>();
  let crashed = false;
  let reportFailure: ((error: unknown) => void) | undefined;
  const onFault = (error: unknown) => {
    if (reportFailure !== undefined && isFailure(error)) {
      reportFailure(error);
      return;
    }
    crashed = true;
    reject(error);
  };
  // No one may be waiting any more when the fault comes.
  promise.catch(() => undefined);
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
  return {
    promise,
    happened: () => crashed,
    outliveFailures: (report) => (reportFailure = report),
    stop: () => {
      process.off('uncaughtException', onFault);
      process.off('unhandledRejection', onFault);
    },
  };
}

/** Whether something was thrown because of what is outside of this program: it has no bug for that. */
function isFailure(error: unknown): boolean {
  if (error instanceof FilerError) return true;
  if (!(error instanceof Error)) return false;
  // The system's have a number, Node's own complaints about arguments have none.
  if ('errno' in error && typeof error.errno === 'number') return true;
  return 'errcode' in error && typeof error.errcode === 'number'; // SQLite's
}

/** Watches for faults that no caller can catch: what an event listener throws, a rejection nobody handles. */
export interface CrashWatch {
  /** Rejects with the first such fault; never resolves. */
  readonly promise: Promise<never>;
  happened(): boolean;
  stop(): void;
}

/** Starts watching. A fault ends the program loudly, and through the same door as every other failure. */
export function watchForCrash(): CrashWatch {
  const { promise, reject } = Promise.withResolvers<never>();
  let crashed = false;
  const onFault = (error: unknown) => {
    crashed = true;
    reject(error);
  };
  // Nobody may be waiting any more when the fault comes.
  promise.catch(() => undefined);
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
  return {
    promise,
    happened: () => crashed,
    stop: () => {
      process.off('uncaughtException', onFault);
      process.off('unhandledRejection', onFault);
    },
  };
}

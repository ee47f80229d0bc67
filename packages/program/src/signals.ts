import { FilerError } from '@filer/protocol';
import { giveTerminalsBack } from './terminal/held-terminal.ts';

const SIGNALS = { SIGINT: 'interrupted', SIGTERM: 'terminated' } as const;

/** A second signal within this time is an echo (a terminal and a parent both pass Ctrl-C on), not impatience. */
const ECHO_MS = 1_000;

/**
 * Turns SIGINT and SIGTERM into an abort, so that what is open can be closed in order. A later second signal
 * ends the process at once.
 *
 * @returns stops listening
 */
export function abortOnSignals(controller: AbortController): () => void {
  let firstAt: number | undefined;
  const onSignal = (signal: 'SIGINT' | 'SIGTERM') => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      controller.abort(new FilerError(SIGNALS[signal], `stopped by ${signal}`));
    } else if (now - firstAt > ECHO_MS) {
      stop();
      giveTerminalsBack();
      process.kill(process.pid, signal);
    }
  };
  const stop = () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return stop;
}

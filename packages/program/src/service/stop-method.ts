import * as v from 'valibot';
import { processEnvironment } from '../environment.ts';
import { method, NO_PARAMS } from '../rpc/method.ts';

const stopping = v.object({
  /** The process that ends. */
  pid: v.number(),
  /** Whether systemd started it, and starts it again with the machine. */
  service: v.boolean(),
});
export type Stopping = v.InferOutput<typeof stopping>;

/** Ends the daemon in order, after its answer. */
export const stopMethod = method('stop', { params: NO_PARAMS, result: stopping, changes: true });

/** What a daemon answers that is about to end. */
export function stoppingProcess(): Stopping {
  // A terminal that systemd started hands its other variables on to what runs in it; this one names the process.
  return { pid: process.pid, service: processEnvironment()['SYSTEMD_EXEC_PID'] === String(process.pid) };
}

import { readClocks } from '@filer/program';
import type { MachineClocks } from '../reports/steady-clock.ts';

/** Of a network with several servers: they agree on the time that the database said. */
export class DatabaseClocks implements MachineClocks {
  /** What one server has saved is continued by others, on other machines. */
  readonly boot = undefined;
  readonly #running: () => number;
  #ahead: number;

  /** @param running stands still while the machine sleeps, in ms */
  constructor(databaseNow: number, running: () => number = () => performance.now()) {
    this.#running = running;
    this.#ahead = databaseNow - running();
  }

  /** The database has just said its time. It moves this clock forward only: what was due stays due. */
  told(databaseNow: number): void {
    this.#ahead = Math.max(this.#ahead, databaseNow - this.#running());
  }

  wall(): number {
    return this.#running() + this.#ahead;
  }

  monotonic(): number {
    return this.wall();
  }

  uptime(): number {
    return readClocks().steadyMs;
  }
}

/** The clocks of this machine. */
export function machineClocks(): MachineClocks {
  const { boot } = readClocks();
  return {
    wall: Date.now,
    monotonic: () => performance.now(),
    uptime: () => readClocks().steadyMs,
    boot: boot === '' ? undefined : boot,
  };
}

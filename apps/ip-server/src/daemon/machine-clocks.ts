import { readClocks } from '@filer/program';
import type { MachineClocks } from '../reports/steady-clock.ts';

/** Of a network with several servers: they agree on the time that the database said. */
export function databaseClocks(databaseNow: number): MachineClocks {
  const ahead = databaseNow - performance.now();
  return {
    wall: () => performance.now() + ahead,
    monotonic: () => performance.now(),
    uptime: () => readClocks().steadyMs,
    // What one server has saved is continued by others, on other machines.
    boot: undefined,
  };
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

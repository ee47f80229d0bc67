import { readClocks } from '@filer/program';
import type { MachineClocks } from '../reports/steady-clock.ts';

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

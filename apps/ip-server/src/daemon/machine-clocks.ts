import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import type { MachineClocks } from '../reports/steady-clock.ts';

/** The kernel's name of this start of the machine (random(4)); Linux only. */
const BOOT_FILE = '/proc/sys/kernel/random/boot_id';

/** The clocks of this machine. */
export function machineClocks(): MachineClocks {
  return {
    wall: Date.now,
    monotonic: () => performance.now(),
    uptime: () => uptime() * 1_000,
    boot: bootName(),
  };
}

function bootName(): string | undefined {
  try {
    return readFileSync(BOOT_FILE, 'utf8').trim();
  } catch {
    return undefined;
  }
}

import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { systemCode } from '@filer/protocol';
import type { ClockReading } from './trusted-clock.ts';

let boot: string | undefined;

/**
 * What the clocks of this machine say now. The steady one is `os.uptime()`: libuv reads CLOCK_BOOTTIME (or
 * /proc/uptime, the same), which continues while the machine sleeps; Node's own timers and `performance.now()` stand still
 * then.
 */
export function readClocks(): ClockReading {
  boot ??= readBoot();
  return { wallMs: Date.now(), steadyMs: uptime() * 1000, boot };
}

function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return ''; // not Linux
  }
}

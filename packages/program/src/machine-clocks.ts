import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { systemCode } from '@filer/protocol';
import type { ClockReading } from './trusted-clock.ts';

let boot: string | undefined;

/** The steady clock ticks every 10 ms; that it is asked for each of many files costs 10 µs each time. */
const TICK_MS = 5;
let looked = { atMs: -Infinity, steadyMs: 0 };

/**
 * What the clocks of this machine say now. The steady one is `os.uptime()`: libuv reads CLOCK_BOOTTIME (or
 * /proc/uptime, the same), which continues while the machine sleeps; Node's own timers and `performance.now()` stand still
 * then.
 */
export function readClocks(): ClockReading {
  boot ??= readBoot();
  const atMs = performance.now();
  if (Math.abs(atMs - looked.atMs) >= TICK_MS) looked = { atMs, steadyMs: uptime() * 1000 };
  return { wallMs: Date.now(), steadyMs: looked.steadyMs, boot };
}

function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return ''; // not Linux
  }
}

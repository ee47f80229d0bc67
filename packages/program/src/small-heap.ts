import { setFlagsFromString } from 'node:v8';

/**
 * Keeps the heap of a daemon close to what it holds; the daemon gets no slower by either (measured in turn):
 *
 * - what V8 sets aside for young objects stays as large as it is now, a few MB. It would grow to 64 MB for a daemon that moves
 *   many small files or is flooded;
 * - old objects are collected when they take half more than after the last time. By itself V8 waits until they take four
 *   times as much, and messages that waited for their turn are old when they are dropped: 100 MB of them in a flood.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=50');
}

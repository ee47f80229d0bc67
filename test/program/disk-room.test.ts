import { DiskRoom } from '@filer/program';
import { expect, test } from 'vitest';

const MiB = 1024 * 1024;

function disk({ free, inodes = 100_000 }: { free: number; inodes?: number }) {
  const state = { bavail: free / 4_096, bsize: 4_096, files: 1_000_000, ffree: inodes };
  let nowMs = 0;
  const room = new DiskRoom('/', { keepFreeBytes: 16 * MiB, look: () => state, now: () => nowMs });
  return { room, state, later: () => void (nowMs += 1_000) };
}

test('what is written is counted until the disk is looked at again, and the last bytes stay free', () => {
  const { room, state, later } = disk({ free: 18 * MiB });
  room.require(MiB);
  room.require(MiB);
  expect(() => room.require(1)).toThrow(expect.objectContaining({ code: 'no-space' }));
  room.require(0);
  state.bavail += 256;
  later();
  expect(room.bytes).toBe(3 * MiB);
  room.require(3 * MiB);
});

test('the last inodes stay free; a file system that makes them as it needs them has always some', () => {
  const { room, state, later } = disk({ free: 100 * MiB, inodes: 1_002 });
  room.require(1, 2);
  expect(() => room.require(1, 1)).toThrow(/inodes/);
  room.require(1);
  Object.assign(state, { files: 0, ffree: 0 });
  later();
  room.require(1, 1_000_000);
});

import type { FilerError } from '@filer/protocol';
import { beforeEach, expect, test } from 'vitest';
import { StoreRoom } from '../../apps/ip-server/src/store/store-room.ts';

const MiB = 1024 * 1024;

let free: number;
let freePages: number;
let greedy: Set<string>;
let wanted: number;
let problems: (string | undefined)[];
let isLogShort: boolean;
let room: StoreRoom;
beforeEach(() => {
  freePages = 0;
  greedy = new Set(['EVE']);
  wanted = 0;
  problems = [];
  const disk = {
    get bytes() {
      return free;
    },
    use: (bytes: number) => void (free -= bytes),
  };
  room = new StoreRoom({
    store: {
      reports: { isAboveShare: (peer) => Promise.resolve(greedy.has(peer)) },
      room: {
        freeBytes: () => Promise.resolve(freePages),
        giveBack: () => Promise.resolve(false),
        setShortLog: (isShort) => {
          isLogShort = isShort;
          return Promise.resolve();
        },
      },
    },
    disk,
    keepFreeBytes: 16 * MiB,
    onWanted: () => void wanted++,
    onProblem: (problem) => void problems.push(problem?.code),
  });
});

test('with room on the disk everybody is stored, and what is written is counted', async () => {
  free = 100 * MiB;
  expect([await room.refusal(MiB, 'EVE'), await room.refusal(MiB, 'ANNA')]).toEqual([undefined, undefined]);
  expect([free, isLogShort]).toEqual([96 * MiB, false]);
});

test('below three quarters of keep-free those with most wait, those with little do not', async () => {
  free = 13 * MiB;
  expect(await room.refusal(MiB, 'EVE')).toMatchObject({ code: 'no-space' });
  expect(await room.refusal(MiB, 'ANNA')).toBeUndefined();
  expect([free, isLogShort, problems.at(-1)]).toEqual([11 * MiB, true, 'no-space']);
});

test('at half of it everybody waits, and those with most are to give room; that is used before the disk', async () => {
  free = 8.5 * MiB;
  const refused = (await room.refusal(MiB, 'ANNA')) as FilerError;
  expect(refused).toMatchObject({ code: 'no-space' });
  expect(refused.message).not.toContain('/');
  expect(wanted).toBe(1);
  freePages = 2 * MiB;
  expect([await room.refusal(MiB, 'ANNA'), (await room.refusal(MiB, 'EVE'))?.code]).toEqual([
    undefined,
    'no-space',
  ]);
  free = 3 * MiB;
  expect((await room.refusal(MiB, 'ANNA'))?.code).toBe('no-space');
});

test('what all machines have the same of waits with those that have most, and the problem ends with the next look', async () => {
  free = 11 * MiB;
  expect((await room.refusal(100))?.code).toBe('no-space');
  free = 40 * MiB;
  expect(await room.refusal(0)).toBeUndefined();
  expect(problems).toEqual(['no-space', undefined]);
});

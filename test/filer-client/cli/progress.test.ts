import { expect, onTestFinished, test, vi } from 'vitest';
import { BusyTime } from '../../../apps/filer-client/src/cli/files/busy-time.ts';
import { deliveredWords } from '../../../apps/filer-client/src/cli/files/job-summary.ts';
import { progressWords } from '../../../apps/filer-client/src/jobs/progress-words.ts';
import { LiveProgress } from '../../../apps/filer-client/src/jobs/live-progress.ts';
import { ProgressThrottle, TransferRate } from '@filer/program';

test('a rate is that of the last seconds, and begins again when a file begins again', () => {
  const rate = new TransferRate();
  expect(rate.at(0, 0)).toBe(0);
  expect(rate.at(1_000, 1_000)).toBe(1_000);
  for (let second = 2; second <= 60; second++) rate.at(1_000, second * 1_000);
  expect(rate.at(1_000, 60_100)).toBe(0);
  expect(rate.at(10, 60_200)).toBe(0);
  expect(rate.at(1_010, 61_200)).toBe(1_000);
});

test('words tell bytes, files, rate and the time left', () => {
  const amounts = { bytesDone: 500_000, bytesTotal: 1_500_000, filesDone: 3, filesTotal: 10, complete: true };
  expect(progressWords(amounts, 100_000)).toBe('500 kB of 1.5 MB  3 of 10 files  100 kB/s  ETA 10s');
});

test('while folders are still walked the totals have a plus, and no time is promised', () => {
  const amounts = { bytesDone: 0, bytesTotal: 1_000, filesDone: 0, filesTotal: 1, complete: false };
  expect(progressWords(amounts, 100)).toBe('0 B of 1 kB+  0 of 1+ files  100 B/s');
});

test('the time in which a job only waits for people to answer does not count for its rate', () => {
  const recipients = ['bob', 'carol'].map((name) => ({ name, id: name }));
  const job = { type: 'job', job: 'j', files: 1, bytesTotal: 10, queue: false, recipients } as const;
  const waiting = (recipient: string) => ({ type: 'waiting', job: 'j', recipient, recipientId: '' }) as const;
  const progress = (recipient: string, bytesDone: number) => {
    const file = { path: '/a', fileBytesSent: 0, fileBytesTotal: 10, bytesSent: bytesDone, bytesTotal: 10 };
    const files = { filesDone: bytesDone === 10 ? 1 : 0, filesTotal: 1, complete: true };
    return { type: 'progress', job: 'j', recipient, bytesDone, ...file, ...files } as const;
  };
  const busy = new BusyTime(0);
  busy.take(job, 0);
  busy.take(waiting('bob'), 1_000);
  busy.take(waiting('carol'), 2_000);
  busy.take(progress('bob', 0), 3_000);
  busy.take(progress('bob', 5), 602_000);
  busy.take(progress('bob', 10), 603_000);
  busy.take(progress('carol', 5), 900_000);
  expect(busy.until(902_000)).toBe(2_000 + 1_000 + 2_000);
});

test('the last line of a job to several tells files and machines apart', () => {
  const recipient = { id: 'B', code: null, status: '' };
  const done = {
    type: 'done',
    job: 'j',
    ok: false,
    exitCode: 8,
    filesSent: 17_106,
    filesSkipped: 2,
    filesKept: 0,
    filesFailed: 15,
    filesRemoved: 0,
    linksLeftOut: 0,
    bytesSent: 4_000_000,
    bytesTotal: 5_000_000,
    recipients: [
      { ...recipient, name: 'bob', ok: false, state: 'failed' },
      { ...recipient, name: 'carol', ok: true, state: 'delivered' },
    ],
  } as const;
  expect(deliveredWords(done, 2_000)).toBe(
    '17106 files delivered, 2 there already, 15 failed, 4 MB sent at 2 MB/s; 1 of 2 machines have all of it  job j',
  );
  expect(deliveredWords({ ...done, recipients: done.recipients.slice(1) }, 2_000)).not.toContain('machines');
});

test('progress is told now and then, and the last of it also when a stream pauses', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const told: number[] = [];
  const throttle = new ProgressThrottle<number>((progress) => told.push(progress));
  for (let n = 1; n <= 5; n++) throttle.take(n);
  expect(told).toEqual([1]);
  vi.advanceTimersByTime(100);
  expect(told).toEqual([1, 5]);
  vi.advanceTimersByTime(1_000);
  throttle.take(6);
  throttle.take(7, true);
  throttle.take(8);
  throttle.stop();
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual([1, 5, 6, 7]);
  expect(vi.getTimerCount()).toBe(0);
});

test('who asks how far a transfer is gets rate and time left as they are then', () => {
  const progress = new LiveProgress();
  expect(progress.at(0)).toBeNull();
  const amounts = { bytesTotal: 10_000, filesDone: 0, filesTotal: 1, complete: true };
  for (let second = 0; second <= 2; second++)
    progress.note(
      { ...amounts, bytesDone: 1_000 + second * 1_000, bytesSent: second * 1_000 },
      second * 1_000,
    );
  expect(progress.at(2_000)).toEqual({
    ...amounts,
    bytesDone: 3_000,
    bytesPerSecond: 1_000,
    etaMs: 7_000,
    words: '3 kB of 10 kB  1 kB/s  ETA 7s',
  });
  expect(progress.at(4_000)).toMatchObject({ bytesPerSecond: 500, etaMs: 14_000 });
});

import { createLogger, type Logger } from '@filer/program';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

async function log(): Promise<{ log: Logger; lines: Record<string, unknown>[] }> {
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (text: string) => lines.push(JSON.parse(text) as Record<string, unknown>) };
  return { log: await createLogger({ format: 'json', stream }), lines };
}

test('lines that one machine repeats are counted after the first 200, and those of others are written', async () => {
  const { log: logger, lines } = await log();
  for (let n = 0; n < 10_000; n++)
    logger.info('connection refused', { address: `203.0.113.9:${n}`, why: 'noise' });
  logger.info('connection refused', { address: '[2001:db8::1]:77', why: 'noise' });
  logger.info('peer connected', { peer: 'anna' });

  expect(lines).toHaveLength(202);
  expect(lines.slice(-2).map(({ address, peer }) => address ?? peer)).toEqual(['[2001:db8::1]:77', 'anna']);
  vi.advanceTimersByTime(60_000);
  expect(lines.at(-1)).toMatchObject({
    level: 'warn',
    line: 'connection refused',
    notWritten: 9_800,
    machines: 1,
  });
});

test('machines that flood the log together leave a line to each that writes little', async () => {
  const { log: logger, lines } = await log();
  for (let round = 0; round < 200; round++) {
    for (let machine = 0; machine < 20; machine++) logger.warn('refused', { from: `m${machine}` });
  }
  const before = lines.length;
  logger.warn('refused', { from: 'quiet' });

  expect(before).toBeLessThanOrEqual(1_100);
  expect(lines.at(-1)).toMatchObject({ from: 'quiet' });
});

test('a child logger counts for the machine that it is of', async () => {
  const { log: logger, lines } = await log();
  const ofAnna = logger.child({ peer: 'anna' });
  for (let n = 0; n < 300; n++) ofAnna.info('said');
  logger.child({ peer: 'bob' }).info('said');

  expect(lines.filter(({ peer }) => peer === 'anna')).toHaveLength(200);
  expect(lines.at(-1)).toMatchObject({ peer: 'bob' });
});

test('what one machine says at length is cut, and bounded over all phrases together; others still have their lines', async () => {
  const { log: logger, lines } = await log();
  for (let n = 0; n < 20; n++) {
    for (let phrase = 0; phrase < 50; phrase++)
      logger.warn(`phrase ${phrase}`, { peer: 'eve', why: 'x'.repeat(60_000), names: ['y'.repeat(60_000)] });
  }
  const written = JSON.stringify(lines).length;
  logger.warn('phrase 1', { peer: 'bob', why: 'short' });
  logger.error('the store fails');

  expect(written).toBeLessThan(40_000);
  expect(lines.slice(-2)).toEqual([
    expect.objectContaining({ peer: 'bob', why: 'short' }),
    expect.objectContaining({ msg: 'the store fails' }),
  ]);
  vi.advanceTimersByTime(60_000);
  expect(lines.filter(({ machines }) => machines === 1)).toHaveLength(50);
});

test('lines of a level that is not written count for nothing', async () => {
  const { log: logger, lines } = await log();
  for (let n = 0; n < 300; n++) logger.debug('said', { peer: 'anna' });
  logger.info('said', { peer: 'anna' });

  expect(lines).toHaveLength(1);
});

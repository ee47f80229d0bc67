import { FilerError } from '@filer/protocol';

/** Waves of one release: more are a typing error. */
const MAX_WAVES = 100;

/**
 * How many machines have a release after each wave, as a person types it: `1,10%,all`.
 *
 * @param machines in all
 * @returns growing; waves that would add no machine are left out
 * @throws FilerError `usage`
 */
export function parseWaves(typed: readonly string[], machines: number): number[] {
  if (typed.length === 0) return [machines];
  if (typed.length > MAX_WAVES) throw wrong(typed.join(','), `a release has at most ${MAX_WAVES} waves`);
  const ends: number[] = [];
  let before = 0;
  for (const each of typed) {
    const end = Math.min(machines, endOf(each, machines));
    if (end < before)
      throw wrong(
        each,
        'each wave says how many machines have it by then, so it is not smaller than the one before',
      );
    if (end > before) ends.push(end);
    before = end;
  }
  return ends;
}

function endOf(typed: string, machines: number): number {
  if (typed === 'all') return machines;
  const { number = '', percent } = /^(?<number>\d{1,9})(?<percent>%)?$/.exec(typed)?.groups ?? {};
  const value = Number(number);
  if (number === '' || value < 1)
    throw wrong(typed, 'a wave is a number of machines, such as 1, a share, such as 10%, or all');
  if (percent === undefined) return value;
  if (value > 100) throw wrong(typed, 'a share is at most 100%');
  return Math.ceil((machines * value) / 100);
}

function wrong(typed: string, why: string): FilerError {
  return new FilerError('usage', `--wave ${JSON.stringify(typed)}: ${why}`);
}

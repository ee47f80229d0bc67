import { amountWords } from '@filer/program';
import type { Amounts } from '../api/contract/transfers.ts';

/**
 * How far it is, in words: bytes, files where there are several, rate, time left. Totals that may still grow have a
 * `+`, and nothing is estimated from them.
 *
 * @param rate bytes per second, 0 for unknown
 */
export function progressWords(amounts: Amounts, rate: number): string {
  const { bytes, files, rate: speed, eta } = amountWords(amounts, rate);
  return [bytes, files, speed, eta].filter((part) => part !== '').join('  ');
}

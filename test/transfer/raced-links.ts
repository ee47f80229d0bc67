import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OnConflict } from '@filer/protocol';
import { deliveredBefore } from './delivered-before.ts';
import { RacingLinks } from './racing-links.ts';
import { freshFolder, transfer, twoEnds } from './two-ends.ts';

export interface RaceOutcome {
  /** How often a link stood in the place of a folder. */
  readonly swaps: number;
  /** Files that were delivered all the same. */
  readonly delivered: number;
  /** What is where the links lead to: at the beginning `file 3` and `two`. */
  readonly outside: readonly string[];
}

/**
 * Sends a tree again and again while its folders at the receiver are swapped for links to another place.
 *
 * @param forMs how long at least
 */
export async function raceLinks(forMs: number): Promise<RaceOutcome> {
  const ends = await twoEnds();
  const outside = await freshFolder();
  writeFileSync(join(outside, 'file 3'), 'precious');
  mkdirSync(join(outside, 'two'));
  const tree = join(ends.home, 'tree');
  mkdirSync(join(tree, 'one', 'two'), { recursive: true });
  for (let n = 0; n < 60; n++)
    writeFileSync(join(tree, 'one', n % 2 === 0 ? 'two' : '', `file ${n}`), `${n}`);
  writeFileSync(join(tree, 'one', 'large'), Buffer.alloc(3 * 1024 * 1024, 'x'));
  mkdirSync(join(ends.inbox, 'alice', 'tree', 'one', 'two'), { recursive: true });
  const rules: OnConflict[] = ['update', 'rename', 'overwrite', 'newer'];
  const deliveries = deliveredBefore();

  const racing = new RacingLinks(
    ends.inbox,
    ['alice', 'alice/tree', 'alice/tree/one', 'alice/tree/one/two'],
    outside,
  );
  let delivered = 0;
  const begun = performance.now();
  for (let round = 0; round < 10 || performance.now() - begun < forMs; round++) {
    // Another content each time, so that there is something to write.
    writeFileSync(join(tree, 'one', 'large'), `${round}`, { flag: 'r+' });
    const onConflict = rules[round % rules.length];
    const { sent } = await transfer(ends, ['tree'], {
      send: { onConflict },
      receive: { sync: round % 2 === 0, deliveries },
    });
    delivered += sent.filesDelivered;
  }
  const there = readdirSync(outside, { recursive: true }).map(String);
  return { swaps: await racing.stop(), delivered, outside: there.toSorted() };
}

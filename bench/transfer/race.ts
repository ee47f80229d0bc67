import type { Contender } from './contender.ts';
import type { Stage } from './stage.ts';

interface Lap {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly sentBytes: number | undefined;
}

/** Lets contenders carry the same source, in turn, and prints medians and how filer, the first, compares. */
export async function race(
  stage: Stage,
  contenders: readonly Contender[],
  { source, bytes, rounds }: { readonly source: string; readonly bytes: number; readonly rounds: number },
): Promise<void> {
  const laps = new Map<Contender, Lap[]>();
  // The first round warms up: the cache of the disk, and those who carry the same again.
  for (let round = 0; round <= rounds; round++) {
    for (const contender of contenders) {
      const lap = await timed(stage, () => contender.carry(source, `${round}-${Date.now()}`));
      if (round > 0) laps.set(contender, [...(laps.get(contender) ?? []), lap]);
    }
  }
  const ours = laps.get(contenders[0] ?? fail()) ?? [];
  for (const [{ name }, theirs] of laps) {
    const ratio = median(ours.map((lap, round) => (theirs[round]?.seconds ?? Number.NaN) / lap.seconds));
    const seconds = median(theirs.map((lap) => lap.seconds));
    const cpu = median(theirs.map((lap) => lap.cpuSeconds));
    const rate = bytes < 1e6 ? '' : `${(bytes / 1e6 / seconds).toFixed(0).padStart(6)} MB/s`;
    const perGb = bytes < 1e8 ? '' : `  ${(cpu / (bytes / 1e9)).toFixed(2)} CPU-s/GB`;
    const sent = theirs[0]?.sentBytes;
    const onWire = sent === undefined ? '' : `  ${sent} bytes sent`;
    const compared = theirs === ours ? '' : `  filer is ${ratio.toFixed(2)} times as fast`;
    console.log(
      `  ${name.padEnd(30)} ${seconds.toFixed(3).padStart(8)} s ${rate}${perGb}${onWire}${compared}`,
    );
  }
}

async function timed(stage: Stage, work: () => Promise<number | undefined>): Promise<Lap> {
  const [startedAt, cpuBefore] = [performance.now(), stage.cpuSeconds()];
  const sentBytes = await work();
  return {
    seconds: (performance.now() - startedAt) / 1000,
    cpuSeconds: stage.cpuSeconds() - cpuBefore,
    sentBytes,
  };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

function fail(): never {
  throw new Error('somebody runs');
}

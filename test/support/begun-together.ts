import { RelayRace } from '@filer/transfer';
import { onTestFinished, vi } from 'vitest';

/**
 * No content goes out before so many have begun: who is late gets what is left, which may be nothing.
 *
 * @returns the races that they begin
 */
export function begunTogether(count: number): RelayRace[] {
  const begun = Promise.withResolvers<void>();
  // oxlint-disable-next-line typescript/unbound-method -- called with its race below
  const { enter } = RelayRace.prototype;
  const races: RelayRace[] = [];
  const spy = vi.spyOn(RelayRace.prototype, 'enter').mockImplementation(function (this: RelayRace, ...how) {
    const lane = enter.apply(this, how);
    const holderOf = lane.holderOf.bind(lane);
    lane.holderOf = async (...block) => begun.promise.then(() => holderOf(...block));
    if (races.push(this) === count) begun.resolve();
    return lane;
  });
  onTestFinished(() => spy.mockRestore());
  return races;
}

/**
 * Holds a job up in its middle: no content beyond so many bytes of a file goes out until `release`.
 *
 * @param recipients of the job
 * @returns `reached` resolves when all of them have been named so much
 */
export function halfway(
  recipients: number,
  bytes: number,
): { readonly reached: Promise<void>; readonly release: () => void } {
  const released = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  // oxlint-disable-next-line typescript/unbound-method -- called with its race below
  const { enter } = RelayRace.prototype;
  const there = new Set<string>();
  const spy = vi.spyOn(RelayRace.prototype, 'enter').mockImplementation(function (this: RelayRace, ...how) {
    const lane = enter.apply(this, how);
    const holderOf = lane.holderOf.bind(lane);
    lane.holderOf = async (entry, end, digest) => {
      if (end > bytes && there.add(lane.id).size === recipients) reached.resolve();
      if (end > bytes) await released.promise;
      return await holderOf(entry, end, digest);
    };
    return lane;
  });
  onTestFinished(() => {
    released.resolve();
    spy.mockRestore();
  });
  return { reached: reached.promise, release: released.resolve };
}

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

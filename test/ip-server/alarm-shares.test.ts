import { expect, test } from 'vitest';
import { freshStore } from '../support/fresh-store.ts';
import { MAX_KEPT_ALARMS } from '../../apps/ip-server/src/store/alarm-store.ts';
import { NO_EFFECTS } from '../../apps/ip-server/src/store/effects.ts';

test('a machine that causes many alarms pushes its own oldest out of the list, not those of others; what is to be told stays', async () => {
  const store = await freshStore();
  let time = 0;
  const add = async (peer: string, count: number, isWaiting = false): Promise<void> => {
    const alarms = Array.from({ length: count }, () => {
      const id = String(++time);
      return {
        id,
        time,
        steady: time,
        event: 'missing',
        peer,
        schedule: 'disk',
        payload: '{}',
      } as const;
    });
    await store.expectations.apply({ ...NO_EFFECTS, alarms, channels: isWaiting ? ['hook'] : [] });
  };
  await add('ANNA', 3);
  await add('EVE', 2, true);
  await add('EVE', MAX_KEPT_ALARMS + 20);
  const left = await store.alarms.last(2 * MAX_KEPT_ALARMS);
  const ofEve = left.filter(({ peer }) => peer === 'EVE').map((each) => each.number);

  expect(left.filter(({ peer }) => peer === 'ANNA')).toHaveLength(3);
  expect(ofEve.slice(0, 2)).toEqual([4, 5]);
  expect(ofEve.slice(2)).toHaveLength(MAX_KEPT_ALARMS - 3);
  expect(ofEve.at(-1)).toBe(MAX_KEPT_ALARMS + 25);
});

import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../apps/ip-server/src/store/store.ts';
import { freshFolder } from '../support/ip-server.ts';

test('a machine that causes many alarms pushes its own oldest out of the list, not those of others; what is to be told stays', async () => {
  const store = openStore(join(await freshFolder(), 'test.db'));
  onTestFinished(() => store.close());
  let time = 0;
  const add = (peer: string, count: number, isWaiting = false): void => {
    for (let n = 0; n < count; n++) {
      const id = String(++time);
      const alarm = {
        id,
        time,
        steady: time,
        event: 'missing',
        peer,
        schedule: 'disk',
        payload: '{}',
      } as const;
      store.alarms.add(alarm, isWaiting ? ['hook'] : []);
    }
  };
  add('ANNA', 3);
  add('EVE', 2, true);
  add('EVE', 40);
  store.alarms.trim(20);
  const left = store.alarms.last(100);

  expect(left.filter(({ peer }) => peer === 'ANNA')).toHaveLength(3);
  expect(left.filter(({ peer }) => peer === 'EVE').map((each) => each.number)).toEqual([
    4,
    5,
    ...Array.from({ length: 17 }, (_, n) => 29 + n),
  ]);
  store.alarms.trim(20);
  expect(store.alarms.last(100)).toHaveLength(20 + 2);
});

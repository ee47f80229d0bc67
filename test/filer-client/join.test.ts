import { afterEach, expect, test } from 'vitest';
import { TestNetwork } from '../support/test-network.ts';

let network: TestNetwork;
afterEach(() => network.close());

test('a join with a new identity that fails leaves the machine what it was', async () => {
  network = await TestNetwork.open();
  await network.join('anna');
  const [before] = await network.ask('anna', 'status');
  const used = await network.invite();
  const other = await network.client('ben', ['join', '-', '--name', 'ben'], { input: used });
  expect(other.code).toBe(0);

  const again = ['join', '-', '--name', 'anna-2', '--new-identity'];
  const failed = await network.client('anna', again, { input: used });
  expect(failed.code).toBe(6);
  const [after] = await network.ask('anna', 'status');
  expect(after).toMatchObject({ id: before?.['id'], name: 'anna' });

  const joined = await network.client('anna', again, { input: await network.invite() });
  expect(joined.code).toBe(0);
  const [anew] = await network.ask('anna', 'status');
  expect(anew).toMatchObject({ name: 'anna-2' });
  expect(anew?.['id']).not.toBe(before?.['id']);
});

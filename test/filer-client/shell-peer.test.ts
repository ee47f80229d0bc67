import { afterAll, beforeAll, expect, test } from 'vitest';
import { runHere } from '../support/in-process.ts';
import { NetworkHere } from '../support/network-here.ts';

let network: NetworkHere;
beforeAll(async () => {
  network = await NetworkHere.open();
  await network.join('anna');
});
afterAll(() => network[Symbol.asyncDispose]());

test.each([
  ['start', /this shell is the peer: leave it with exit, then type `filer-client start`/],
  ['stop', /this shell is the peer: leave it with exit$/m],
])('%s in a shell that is the peer itself says how to leave it', async (line, said) => {
  const { code, stdout } = await runHere('filer-client', network.home('anna'), ['shell'], `${line}\n`);
  expect(stdout).toMatch(said);
  expect(code).toBe(1);
});

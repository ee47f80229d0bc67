import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { dropFiles } from '../support/dropped-files.ts';
import { until } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';

const FILES = 1_000;
const MEGABYTES = 300;

let network: NetworkHere;
let browser: Browser;
let anna: ClientHere;
let bob: ClientHere;

beforeAll(async () => {
  [network, browser] = await Promise.all([NetworkHere.open(), openBrowser()]);
  [anna, bob] = [await network.add('anna'), await network.add('bob')];
  await anna.sees('bob');
});

afterAll(async () => {
  await browser?.close();
  await network?.[Symbol.asyncDispose]();
});

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

test.skipIf(needs('chromium'))(
  'a file of 300 MB and a folder of 1,000 files dropped on a peer arrive with receipts',
  async () => {
    const large = join(network.folder, 'large.mov');
    const handle = await open(large, 'w');
    for (let n = 0; n < MEGABYTES; n++) await handle.write(Buffer.alloc(1_000_000, `piece ${n} `));
    await handle.close();
    const folder = join(network.folder, 'takes');
    await mkdir(folder);
    for (let n = 0; n < FILES; n++) await writeFile(join(folder, `take-${n}`), `take ${n}`);

    const page = await browser.newPage();
    await page.goto(String((await anna.ask('open', '--print'))['url']));
    const target = page.locator('[data-target="bob"]');
    await target.waitFor();
    await dropFiles(target, [large, folder]);
    await until(
      () => anna.ask('history'),
      ({ jobs }) => (jobs as { state: string }[]).at(-1)?.state === 'done',
    );
    const inbox = join(bob.home, 'inbox', 'anna');
    expect(await digestOf(join(inbox, 'large.mov'))).toBe(await digestOf(large));
    expect(await readdir(join(inbox, 'takes'))).toHaveLength(FILES);
    await page.getByRole('link', { name: 'History' }).click();
    await page.getByRole('link', { name: 'large.mov' }).click();
    await page.getByText('1,001 files').waitFor();
    expect(await page.locator('[data-receipt] .light.good').count()).toBe(1_000);
    await page.getByText('1 more').waitFor();
  },
);

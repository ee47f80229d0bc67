/*
 * Writes docs/images/: the dashboard of a network that exists on paper, at the size of a phone, a laptop and a wide screen, in light
 * and dark. `npm run build` first; needs Debian's package chromium.
 *
 *   node scripts/screenshots.ts
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { linkTo, openSimulated } from '../bench/dashboard/simulated.ts';

const MACHINES = 60;
const MAX_BYTES = 60_000;
/** Until charts are drawn and the list has settled. */
const SETTLE_MS = 2_000;

const SHOTS = [
  { name: 'dashboard-phone-light', width: 360, height: 740, colorScheme: 'light', opens: false },
  { name: 'dashboard-phone-dark', width: 360, height: 740, colorScheme: 'dark', opens: true },
  { name: 'dashboard-laptop-light', width: 1_280, height: 720, colorScheme: 'light', opens: false },
  { name: 'dashboard-laptop-dark', width: 1_280, height: 720, colorScheme: 'dark', opens: true },
  { name: 'dashboard-wide-light', width: 1_680, height: 900, colorScheme: 'light', opens: true },
  { name: 'dashboard-wide-dark', width: 1_680, height: 900, colorScheme: 'dark', opens: false },
] as const;

const images = join(import.meta.dirname, '../docs/images');
const folder = mkdtempSync(join(tmpdir(), 'filer-screenshots-'));
mkdirSync(images, { recursive: true });
const simulated = await openSimulated(folder, MACHINES, { httpPort: 0 });
const beating = setInterval(() => simulated.beat(MACHINES / 6), 1_000);
const link = await linkTo(simulated, 'admin');
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
for (const { name, width, height, colorScheme, opens } of SHOTS) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
  await page.goto(link);
  await page.locator('.machines tbody th a').first().waitFor();
  if (opens) await page.locator('.machines tbody th a', { hasText: 'berlin-0001' }).click();
  await wait(SETTLE_MS);
  const client = await page.context().newCDPSession(page);
  let image = Buffer.alloc(MAX_BYTES + 1);
  for (let quality = 70; image.length > MAX_BYTES; quality -= 10) {
    // A third of what a PNG takes.
    const { data } = await client.send('Page.captureScreenshot', { format: 'webp', quality });
    image = Buffer.from(data, 'base64');
  }
  writeFileSync(join(images, `${name}.webp`), image);
  await page.close();
}
await browser.close();
clearInterval(beating);
await simulated[Symbol.asyncDispose]();
rmSync(folder, { recursive: true });

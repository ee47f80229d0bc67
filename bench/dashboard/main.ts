/*
 * The dashboard with many machines, in Chromium: how long after the request the first rows and all of them are there, what the
 * page weighs, how much the browser works, and for how long the server's thread works at a stretch: for the heartbeats alone, and with
 * the page. By the clock it stands still for longer, since the browser has threads on the same processors.
 *
 *   npm run build && node bench/dashboard/main.ts [--machines 1000,5000] [--rounds 5]
 *
 * The machines exist on paper: members with states, numbers and reports, of which a tenth sends a heartbeat each second. The browser
 * and the server are on this machine. Medians of rounds, each in a new context without a cache.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { chromium, type Browser } from 'playwright-core';
import { watchTurns, type Turns } from './longest-turn.ts';
import { linkTo, openSimulated } from './simulated.ts';

const { values } = parseArgs({
  options: {
    machines: { type: 'string', default: '1000,5000' },
    rounds: { type: 'string', default: '5' },
  },
});

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
console.log(
  `node ${process.version}, chromium ${browser.version()}, medians of ${values.rounds} rounds, and the best one`,
);
for (const machines of values.machines.split(',')) await measure(Number(machines), Number(values.rounds));
await browser.close();

async function measure(machines: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'filer-bench-'));
  const simulated = await openSimulated(folder, machines, { httpPort: 0 });
  const beating = setInterval(() => simulated.beat(Math.ceil(machines / 10)), 1_000);
  const link = await linkTo(simulated, 'read');
  const all: Round[] = [];
  await onePage(browser, link, machines); // warms both up
  const withoutPage = await watchTurns(() => wait(10_000));
  const withPage = await watchTurns(async () => {
    for (let round = 0; round < rounds; round++) all.push(await onePage(browser, link, machines));
  });
  clearInterval(beating);
  say(`${machines} machines: first rows after`, figures(all, 'firstMs'));
  say('  all rows known after', figures(all, 'allMs'));
  say('  the page, compressed', `${(median(all, 'pageBytes') / 1_000).toFixed(1)} KB`);
  say('  the list, compressed', `${(median(all, 'listBytes') / 1_000).toFixed(1)} KB`);
  say('  browser at work in 5 s of changes', figures(all, 'workMs'));
  say("  the server's longest turn, heartbeats alone", turnsIn(withoutPage));
  say('  with the page, too', turnsIn(withPage));
  await simulated[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}

interface Round {
  readonly firstMs: number;
  readonly allMs: number;
  readonly pageBytes: number;
  readonly listBytes: number;
  readonly workMs: number;
}

async function onePage(opened: Browser, link: string, machines: number): Promise<Round> {
  const context = await opened.newContext({ bypassCSP: true, viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  await client.send('Network.enable');
  const sizes = new Map<string, { path: string; bytes: number }>();
  client.on('Network.responseReceived', ({ requestId, response }) => {
    sizes.set(requestId, { path: new URL(response.url).pathname, bytes: 0 });
  });
  client.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const known = sizes.get(requestId);
    if (known !== undefined) known.bytes = encodedDataLength;
  });
  // By the page's own clock, which begins with the request.
  await page.addInitScript(`
    addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
      const text = document.querySelector('.summary')?.textContent ?? '';
      if (document.querySelector('.machines tbody th')) window.firstMs ??= performance.now();
      if (text.includes('${machines} members')) window.allMs ??= performance.now();
    }).observe(document, { childList: true, subtree: true, characterData: true }));`);
  await page.goto(link);
  await page.waitForFunction('window.allMs !== undefined');
  await client.send('Performance.enable');
  const before = await workOf(client);
  await wait(5_000);
  const workMs = Math.round((await workOf(client)) - before);
  const firstMs = Math.round(Number(await page.evaluate('window.firstMs')));
  const allMs = Math.round(Number(await page.evaluate('window.allMs')));
  const pieces = [...sizes.values()];
  const sum = (fits: (path: string) => boolean): number =>
    pieces.filter(({ path }) => fits(path)).reduce((total, { bytes }) => total + bytes, 0);
  const listBytes = pieces.find(({ path }) => path === '/api/machines')?.bytes ?? 0;
  const pageBytes = sum((path) => path === '/' || path.startsWith('/assets/'));
  await context.close();
  return { firstMs, allMs, pageBytes, listBytes, workMs };
}

async function workOf(client: {
  send(method: 'Performance.getMetrics'): Promise<{ metrics: { name: string; value: number }[] }>;
}): Promise<number> {
  const { metrics } = await client.send('Performance.getMetrics');
  return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? 0) * 1_000;
}

function median(rounds: readonly Round[], key: keyof Round): number {
  const sorted = rounds.map((round) => round[key]).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** A machine that does much else at the same time makes the median large; the best one says what the page can do. */
function figures(rounds: readonly Round[], key: keyof Round): string {
  return `${median(rounds, key)} ms (${Math.min(...rounds.map((round) => round[key]))} ms)`;
}

function turnsIn({ workedMs, stoodMs }: Turns): string {
  return `${workedMs.toFixed(1)} ms of work (${stoodMs.toFixed(1)} ms by the clock)`;
}

function say(what: string, figure: string): void {
  console.log(`${what.padEnd(46)} ${figure}`);
}

import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowser } from '../support/browser.ts';
import { until } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { TestMember } from '../support/test-member.ts';

const HARM = '<img src=x onerror=alert(1)>';
/** Far enough away for a test. */
const NIGHTLY = { name: 'nightly', nextInMs: 600_000, thirdInMs: 1_800_000, graceMs: 0, always: false };

const isWithout = needs('chromium');

let network: NetworkHere;
let browser: Browser;
let page: Page;
let anna: ClientHere;
/** What the page complained of, and dialogs that it opened. */
const problems: string[] = [];

beforeAll(async () => {
  if (isWithout) return;
  [network, browser] = await Promise.all([
    NetworkHere.open({ httpPort: 0, reportIntervalMs: 1_000 }),
    openBrowser(),
  ]);
  anna = await network.add('anna');
  page = await openPage();
});
afterAll(async () => {
  await browser?.close();
  await network?.[Symbol.asyncDispose]();
});

async function linkOf(role: string): Promise<string> {
  return String((await network.askServer('dashboard', '--role', role))['link']);
}

/** Without motion: a dialog that fades in has no contrast yet. */
async function openPage(role = 'admin'): Promise<Page> {
  const opened = await (
    await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
  ).newPage();
  // One limit ends what hangs: that of the test.
  opened.setDefaultTimeout(0);
  opened.on('pageerror', (error) => problems.push(error.message));
  opened.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  opened.on('console', (line) => {
    // A server that is away is part of what is tried here.
    if (line.type() === 'error' && !line.text().startsWith('Failed to load resource'))
      problems.push(line.text());
  });
  await opened.goto(await linkOf(role));
  return opened;
}

const row = (name: string) => page.locator('.machines tbody tr', { hasText: name });
const numberOf = async (state: string): Promise<number> =>
  Number(await page.locator('.summary a', { hasText: state }).locator('b').textContent());

async function accessProblems(): Promise<string[]> {
  // Not as a script of the page: its policy forbids that.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })`,
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

async function show(place: string): Promise<void> {
  await page.goto(new URL(place, page.url()).href);
}

describe.skipIf(isWithout)('the dashboard', () => {
  test('the token leaves the address, and the machines are there', async () => {
    await row('anna').waitFor();

    expect(page.url()).not.toContain('token');
    expect(await row('anna').textContent()).toContain('online');
  });

  test('a machine appears, is late, missing and back, and goes, without a reload', async () => {
    await page.evaluate('window.isSamePage = true');
    const nas = await (await TestMember.join(await network.invite(), 'nas')).connect();
    await row('nas').getByText('online').waitFor();
    await nas.announce({ ...NIGHTLY, nextInMs: 0 });
    await row('nas').getByText('late').waitFor();
    await nas.announce({ ...NIGHTLY, nextInMs: 0, thirdInMs: 0 });
    await row('nas').getByText('missing').waitFor();
    // Rows do not jump: the list says that its order is an older one.
    expect(await page.locator('.machines tbody th').first().textContent()).toContain('anna');
    await page.getByRole('button', { name: 'changed — show' }).click();
    await page.locator('.machines tbody th').first().getByText('nas').waitFor();
    await nas.reportOf('nightly', 1, NIGHTLY);
    await row('nas').getByText('online').waitFor();
    await nas.goodbye();
    await row('nas').getByText('stopped').waitFor();

    expect(await page.evaluate('window.isSamePage')).toBe(true);
    const counts = await Promise.all(['online', 'late', 'missing', 'offline', 'left'].map(numberOf));
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(await numberOf('members'));
  });

  test('a count leads to its list, and the list stands in the address', async () => {
    await page.locator('.summary a', { hasText: 'offline' }).click();
    await row('anna').waitFor({ state: 'detached' });

    expect(new URL(page.url()).searchParams.get('show')).toBe('offline');
    expect(await page.locator('.machines tbody th').count()).toBe(1);
    await page.goBack();
    await row('anna').waitFor();
  });

  test('keys search, move, open and close', async () => {
    await page.keyboard.press('/');
    await page.keyboard.type('ann');
    await row('nas').waitFor({ state: 'detached' });
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.locator('.detail h2', { hasText: 'anna' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.detail').waitFor({ state: 'detached' });
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).getByText('next machine').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });

    expect(new URL(page.url()).search).toBe('?q=ann');
  });

  test('numbers of reports are a chart, and what a machine names does no harm', async () => {
    const file = join(network.folder, HARM);
    await writeFile(file, 'x');
    await anna.run('report', 'disk=80', `${HARM}=${HARM}`, '--title', HARM);
    await anna.run('report', 'disk=81', '--title', HARM, '--attach', file);
    await anna.run('broadcast', HARM);
    await show('/?q=anna');
    await row('anna').getByRole('link').click();
    await page.locator('.chart[aria-label^="disk, now: disk 81"] canvas').waitFor();
    await page.locator('.detail summary', { hasText: HARM }).first().click();
    const download = page.waitForEvent('download');
    await page.getByRole('link', { name: HARM }).click();
    expect(await readFile(await (await download).path(), 'utf8')).toBe('x');
    expect(await accessProblems()).toEqual([]);
    await show('/?view=messages');
    await page.locator('.messages .text', { hasText: HARM }).waitFor();
    // The network refuses such a group; a server that had one would not harm the page either.
    await page.route('**/api/machines*', async (route) => {
      const response = await route.fetch();
      await route.fulfill({
        response,
        body: (await response.text()).replaceAll(
          '"groups":[]',
          JSON.stringify({ groups: [HARM] }).slice(1, -1),
        ),
      });
    });
    await show('/');
    await page.locator('.groups a', { hasText: HARM }).waitFor();
    await page.unroute('**/api/machines*');

    expect(await page.locator('img').count()).toBe(0);
    expect(problems).toEqual([]);
  });

  test('a list that cannot be read says why, and is read again', async () => {
    const refusal = { status: 503, json: { error: { code: 'store-failed', message: 'no room' } } };
    await page.route('**/api/machines*', (route) => route.fulfill(refusal));
    await show('/?machine=none');
    await page.getByRole('alert').getByText('no room').waitFor();
    await page.locator('.detail').getByText('Reading…').waitFor();
    await page.unroute('**/api/machines*');
    await row('anna').waitFor();

    await page.locator('.detail').getByText('There is no such machine.').waitFor();
    await page.getByRole('alert').waitFor({ state: 'detached' });

    expect(await row('anna').textContent()).toContain('online');
  });

  test('alarms with their delivery and collects with their ledger are shown', async () => {
    await show('/?view=alarms');
    await page.locator('tr', { hasText: 'report missing' }).getByText('no hook or webhook is set').waitFor();
    await network.runServer('collect', 'add', 'results', '--from', '@all', '--path', 'x/**', '--every', '1h');
    await show('/?view=collects');
    await page.getByRole('link', { name: 'results' }).click();
    const ledger = page.getByRole('region', { name: 'Ledger of results' });
    await ledger.getByRole('button', { name: 'Run now' }).click();
    await ledger.getByRole('navigation', { name: 'Runs' }).getByRole('link').waitFor();

    expect(await accessProblems()).toEqual([]);
  });

  test('a broadcast from the box reaches a real client', async () => {
    await show('/?view=messages');
    await page.getByLabel('Broadcast a message').fill('the backup moves to nine');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('.toast', { hasText: 'Sent to' }).waitFor();
    await page.locator('.messages', { hasText: 'the backup moves to nine' }).waitFor();

    await until(
      async () => anna.events.map(({ text }) => text),
      (texts) => texts.includes('the backup moves to nine'),
    );
    expect(await accessProblems()).toEqual([]);
  });

  test('a machine is invited, renamed and removed, and the question names it', async () => {
    await show('/');
    await page.getByRole('button', { name: 'Invite' }).click();
    await page.getByRole('button', { name: 'Make an invite' }).click();
    await page.locator('.qr path').waitFor();
    const link = await page.getByLabel('Link', { exact: true }).inputValue();
    await page.keyboard.press('Escape');
    await TestMember.join(link, 'tmp');
    await row('tmp').getByRole('link').click();
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.getByLabel('New name').fill('old');
    // What others do meanwhile draws the page again, and leaves what a person has typed.
    await TestMember.join(await network.invite(), 'meanwhile');
    await row('meanwhile').waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click();
    await row('old').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Actions for old' }).click();
    await page
      .getByRole('dialog', { name: 'old', exact: true })
      .getByRole('button', { name: 'Remove' })
      .click();
    expect(await accessProblems()).toEqual([]);
    await page
      .getByRole('dialog', { name: 'Remove old?' })
      .getByRole('button', { name: 'Remove old' })
      .click();
    await row('old').waitFor({ state: 'detached' });
  });

  test('the page recovers by itself when its server has restarted', async () => {
    await page.evaluate('window.isSamePage = true');
    await network.stopServer();
    await page.getByRole('alert').first().waitFor();
    await network.startServer();
    await page.locator('.live', { hasText: 'live' }).waitFor();
    await network.join('new');
    await row('new').waitFor();

    expect(await page.evaluate('window.isSamePage')).toBe(true);
  });

  test('one stream serves all tabs of a browser', async () => {
    const asked: string[] = [];
    const second = await page.context().newPage();
    second.setDefaultTimeout(0);
    second.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await second.goto(page.url());
    await second.locator('.live', { hasText: 'live' }).waitFor();
    await network.join('newer');
    await second.locator('.machines tbody tr', { hasText: 'newer' }).waitFor();

    expect(asked).toContain('/api/machines');
    expect(asked).not.toContain('/api/events');
    await second.close();
  });

  test('without a token, and with one that was revoked, nothing is shown', async () => {
    const stranger = await (await browser.newContext()).newPage();
    stranger.setDefaultTimeout(0);
    await stranger.goto(new URL('/', page.url()).href);
    await stranger.getByText('This browser has no access').waitFor();
    const reader = await openPage('read');
    await reader.locator('.machines tbody tr', { hasText: 'anna' }).waitFor();
    expect(await reader.getByRole('button', { name: 'Invite' }).count()).toBe(0);
    const { tokens } = (await network.askServer('dashboard', '--list')) as {
      tokens: { id: string; role: string }[];
    };
    const { id = '' } = tokens.find(({ role }) => role === 'read') ?? {};
    await network.askServer('dashboard', '--revoke', id);
    await reader.getByText('This browser has no access').waitFor();
  });

  test('a link that a busy server did not take at first opens all tabs of the browser', async () => {
    const context = await browser.newContext();
    const [idle, opened] = [await context.newPage(), await context.newPage()];
    for (const each of [idle, opened]) each.setDefaultTimeout(0);
    await idle.goto(new URL('/', page.url()).href);
    await idle.getByText('This browser has no access').waitFor();
    const refusal = { status: 429, json: { error: { code: 'rate-limited', message: 'wait' } } };
    await opened.route('**/session', (route) => route.fulfill(refusal), { times: 1 });
    await opened.goto(await linkOf('admin'));

    for (const each of [opened, idle]) await each.getByRole('button', { name: 'Invite' }).waitFor();
    expect(new URL(opened.url()).hash).toBe('');
    await opened.getByRole('button', { name: 'Sign out' }).click();
    for (const each of [opened, idle]) await each.getByText('This browser has no access').waitFor();
    await context.close();
  });

  test.each([
    [360, 'light'],
    [1280, 'dark'],
  ] as const)(
    'at %i px, in %s, all is reachable, readable and as wide as the screen',
    async (width, colorScheme) => {
      await page.setViewportSize({ width, height: 740 });
      await page.emulateMedia({ colorScheme });
      for (const place of ['/', '/?view=invites', '/?view=reports']) {
        await show(place);
        await page.locator('.live', { hasText: 'live' }).waitFor();
        expect(await accessProblems()).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      }
    },
  );

  test('the page complained of nothing', () => {
    expect(problems).toEqual([]);
  });
});

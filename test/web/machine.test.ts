import { appendFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DaemonClient, transportHere } from '@filer/program';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { contract } from '../../apps/filer-client/src/api/contract.ts';
import type { JobDocument } from '../../apps/filer-client/src/api/contract/transfers.ts';
import { openBrowser } from '../support/browser.ts';
import { dropFiles } from '../support/dropped-files.ts';
import { until } from '../support/in-process.ts';
import { needs } from '../support/needs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';

const HARM = '<img src=x onerror=alert(1)>';
const FILES = 100;

const isWithout = needs('chromium');

let network: NetworkHere;
let browser: Browser;
let page: Page;
let anna: ClientHere;
let bob: ClientHere;
/** What the page complained of, and dialogs that it opened. */
const problems: string[] = [];

beforeAll(async () => {
  if (isWithout) return;
  [network, browser] = await Promise.all([NetworkHere.open(), openBrowser()]);
  await network.join('anna');
  await appendFile(join(network.home('anna'), 'config.toml'), '\naccept = "ask"\n');
  [anna, bob] = await Promise.all([network.start(network.home('anna')), network.add('bob')]);
  await Promise.all([anna.sees('bob'), bob.sees('anna')]);
  page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
  page.setDefaultTimeout(100_000); // only ends what hangs
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('console', (line) => {
    // A daemon that is away is part of what is tried here.
    if (line.type() === 'error' && !line.text().startsWith('Failed to load resource'))
      problems.push(line.text());
  });
  await page.goto(String((await anna.ask('open', '--print'))['url']));
  await target().waitFor();
});

afterAll(async () => {
  await browser?.close();
  await network?.[Symbol.asyncDispose]();
});

const target = () => page.locator('[data-target="bob"]');
const see = (title: string) => page.getByRole('link', { name: title }).click();
const inboxOf = (machine: ClientHere, from: string, ...path: string[]) =>
  join(machine.home, 'inbox', from, ...path);

async function accessProblems(): Promise<string[]> {
  // Not as a script of the page: its policy forbids that.
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<{ violations: { id: string; nodes: { html: string }[] }[] }>(
    `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })`,
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
}

/** Asked of the daemon itself: a command for each question would take the machine from what is waited for. */
async function jobsOf({ daemon }: ClientHere): Promise<readonly JobDocument[]> {
  const client = new DaemonClient(transportHere(daemon.methods, () => Promise.resolve()));
  return (await client.call(contract.history, {})).jobs;
}

/** The newest job of a machine, once it is done. @param before how many there were */
async function newestDone(machine: ClientHere, before: number): Promise<string> {
  const jobs = await until(
    () => jobsOf(machine),
    (all) => all.length > before && all.at(-1)?.state === 'done',
  );
  return jobs.at(-1)?.job ?? '';
}

test.skipIf(isWithout)(
  'a large file and a folder that are dropped on a peer arrive with receipts',
  async () => {
    const folder = join(network.folder, 'takes');
    await mkdir(join(folder, 'empty', 'inside'), { recursive: true });
    for (let n = 0; n < FILES - 1; n++) await writeFile(join(folder, `take-${n}`), `take ${n}`);
    await writeFile(join(folder, HARM), 'harmless');
    const large = join(network.folder, 'large.mov');
    const content = Buffer.alloc(10_000_000, 'content of a film ');
    await writeFile(large, content);

    const before = (await jobsOf(anna)).length;
    await dropFiles(target(), [folder, large]);
    const job = await newestDone(anna, before);
    expect(await readFile(inboxOf(bob, 'anna', 'large.mov'))).toEqual(content);
    expect(await readdir(inboxOf(bob, 'anna', 'takes'))).toHaveLength(FILES + 1);
    expect((await stat(inboxOf(bob, 'anna', 'takes', 'empty', 'inside'))).isDirectory()).toBe(true);
    const [sent, came] = [await stat(large), await stat(inboxOf(bob, 'anna', 'large.mov'))];
    expect(Math.trunc(came.mtimeMs)).toBe(Math.trunc(sent.mtimeMs));

    await see('History');
    await page.getByRole('link', { name: 'large.mov' }).click();
    await page.locator('[data-receipt]').nth(FILES).waitFor();
    expect(new URL(page.url()).searchParams.get('job')).toBe(job);
    expect(await page.locator('[data-receipt] .light.good').count()).toBe(FILES + 1);
    expect(await page.getByText(`takes/${HARM}`).count()).toBeGreaterThan(0);
    // No copy of it stays.
    await until(
      () => readdir(join(anna.home, 'outgoing')),
      (left) => left.length === 0,
    );
  },
);

test.skipIf(isWithout)('files and folders that are picked go the same way', async () => {
  await see('Send');
  const folder = join(network.folder, 'picked');
  await mkdir(join(folder, 'below'), { recursive: true });
  await writeFile(join(folder, 'below', 'x'), 'x');
  let before = (await jobsOf(anna)).length;
  await target().locator('[data-pick="folder"]').setInputFiles(folder);
  await newestDone(anna, before++);
  expect(await readFile(inboxOf(bob, 'anna', 'picked', 'below', 'x'), 'utf8')).toBe('x');
  await target()
    .locator('[data-pick="files"]')
    .setInputFiles(join(folder, 'below', 'x'));
  await newestDone(anna, before);
  expect(await readFile(inboxOf(bob, 'anna', 'x'), 'utf8')).toBe('x');
});

test.skipIf(isWithout)(
  'an offer shows names and sizes, is accepted or declined, and what another machine says is text',
  async () => {
    const folder = join(network.folder, 'offered');
    await mkdir(folder);
    for (const name of ['a', 'b']) await writeFile(join(folder, name), Buffer.alloc(1_500));
    const file = join(network.folder, `${HARM}.txt`);
    await writeFile(file, 'x');
    const sending = bob.run('send', folder, file, '--to', 'anna', '--note', HARM);
    const offer = page.locator('[data-offer]');
    await offer.waitFor();
    expect(await offer.innerText()).toContain('bob offers 3 files, 3 KB');
    expect(
      (await offer.locator('.contents li').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' ')),
    ).toEqual(['offered 2 files, 3 KB', `${HARM}.txt 1 B`]);
    expect(await offer.locator('.note').innerText()).toBe(HARM);
    await offer.getByRole('button', { name: 'Accept' }).click();
    expect((await sending).code).toBe(0);
    await see('Inbox');
    await page.locator('tbody tr', { hasText: 'offered/' }).waitFor();

    const refused = bob.run('send', file, '--to', 'anna');
    await page.getByRole('button', { name: 'Decline' }).click();
    await page.getByLabel('Why').fill('no room <b>');
    await page.getByRole('dialog').getByRole('button', { name: 'Decline' }).click();
    const { code, stderr } = await refused;
    expect(code).toBe(6);
    expect(stderr).toContain('no room <b>');

    // What would show `exe.pdf` at its end.
    await bob.ask('message', 'anna', `${HARM}\n\u202Efdp.exe`);
    await see('Messages');
    const text = page.locator('.message .text', { hasText: HARM });
    await text.waitFor();
    expect(await text.innerText()).toBe(`${HARM}\n\\u{202e}fdp.exe`);
    expect(await page.evaluate('document.images.length')).toBe(0);
  },
);

test.skipIf(isWithout)('a text is written, a share is browsed, and a file of it fetched', async () => {
  await page.getByRole('combobox').selectOption('bob');
  await page.getByLabel('Message', { exact: true }).fill('from the page');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await until(
    () => bob.ask('messages'),
    ({ messages }) => JSON.stringify(messages).includes('from the page'),
  );

  const shared = join(network.folder, 'shared');
  await mkdir(join(shared, 'deep'), { recursive: true });
  await writeFile(join(shared, 'deep', `${HARM}.pdf`), 'a page');
  await bob.ask('share', 'add', shared);
  await see('Send');
  await target().getByRole('link', { name: 'Browse' }).click();
  await page.getByRole('link', { name: 'shared/' }).click();
  await page.getByRole('link', { name: 'deep/' }).click();
  await page.getByRole('button', { name: `Get ${HARM}.pdf` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Get', exact: true }).click();
  await until(
    () => readFile(join(anna.home, 'inbox', `${HARM}.pdf`), 'utf8').catch(() => ''),
    (text) => text === 'a page',
  );
  expect(new URL(page.url()).search).toBe('');
});

test.skipIf(isWithout)(
  'a transfer is paused, resumed and cancelled, with the words of the commands',
  async () => {
    const file = join(network.folder, 'slow');
    await writeFile(file, Buffer.alloc(3_000_000));
    const sending = anna.run('send', file, '--to', 'bob', '--limit', '10kB/s', '--queue');
    await see('Send');
    const row = page.locator('.transfer', { hasText: 'slow' });
    await row.getByText(/ of 3 MB/).waitFor();
    await row.getByRole('button', { name: 'Pause' }).click();
    await row.getByText('filer-client resume').waitFor();
    await sending;
    await row.getByRole('button', { name: 'Resume' }).click();
    await row.getByRole('button', { name: 'Pause' }).waitFor();
    await row.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel it' }).click();
    await row.waitFor({ state: 'detached' });
    expect(JSON.stringify(await anna.ask('history'))).toContain('"cancelled"');
  },
);

test.skipIf(isWithout)('a folder is watched and shared, and no longer', async () => {
  const folder = join(network.folder, 'outbox');
  await mkdir(folder);
  await see('Automatic');
  await page.getByRole('button', { name: 'Watch a folder' }).click();
  await page.getByLabel('Folder of this machine').fill(folder);
  await page.getByLabel('To (names').fill('bobby');
  // Why it fails is said in the dialog, which hides what is behind it.
  await page.getByRole('button', { name: 'Watch it' }).click();
  await page.getByRole('dialog').getByRole('alert').getByText('bobby').waitFor();
  await page.getByLabel('To (names').fill('bob');
  await page.getByRole('button', { name: 'Watch it' }).click();
  await page.getByText('watching').waitFor();
  await page.getByRole('button', { name: 'Remove the watch outbox' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop watching' }).click();
  await page.getByText('No folder is watched').waitFor();
  await page.getByRole('button', { name: 'Share a folder' }).click();
  await page.getByLabel('Folder of this machine').fill(folder);
  await page.getByRole('button', { name: 'Share it' }).click();
  await page.getByRole('button', { name: 'Remove the share outbox' }).waitFor();
  expect(JSON.stringify(await anna.ask('share', 'list'))).toContain('outbox');
});

test.skipIf(isWithout)(
  'a daemon that restarts finds the open page again, and what is dropped meanwhile is sent',
  async () => {
    await see('Send');
    await anna.daemon.close();
    await page.getByText('The daemon does not answer').waitFor();
    const file = join(network.folder, 'meanwhile');
    await writeFile(file, 'patience');
    await dropFiles(target(), [file]);
    await page.getByText('it begins again when it is back').waitFor();
    const other = join(network.folder, 'other');
    await writeFile(other, 'as it was');
    await dropFiles(target(), [other]);
    await page.getByText('it begins again when it is back').nth(1).waitFor();
    await appendFile(other, ', and more');
    anna = await network.start(anna.home);
    await until(
      () => readFile(inboxOf(bob, 'anna', 'meanwhile'), 'utf8').catch(() => ''),
      (text) => text === 'patience',
    );
    await page.getByText('The daemon does not answer').waitFor({ state: 'detached' });
    // A browser does not read a file that has changed since, however often it is asked.
    const changed = page.locator('[data-upload]', { hasText: 'other changed or disappeared' });
    await changed.waitFor();
    expect(await changed.getByRole('button', { name: 'Try again' }).count()).toBe(0);
    await changed.getByRole('button', { name: 'Close' }).click();
    await page.locator('[data-upload]').waitFor({ state: 'detached' });
  },
);

test.skipIf(isWithout)('a drop whose answer does not reach the page is sent once', async () => {
  // Before the page listens: the daemon has answered, and the page hears that the connection was lost.
  await page.evaluate(`
    const { prototype } = XMLHttpRequest;
    const { open } = prototype;
    prototype.open = function (...given) {
      prototype.open = open;
      this.addEventListener('load', (event) => {
        event.stopImmediatePropagation();
        this.dispatchEvent(new ProgressEvent('error'));
      });
      open.apply(this, given);
    };
  `);
  const file = join(network.folder, 'unheard');
  await writeFile(file, 'once');
  const before = (await jobsOf(anna)).length;
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await dropFiles(target(), [file]);
  await until(
    () => Promise.resolve(asked.filter((path) => path.startsWith('/api/drop'))),
    (drops) => drops.length > 2,
  );
  await page.locator('[data-upload]').waitFor({ state: 'detached' });
  await newestDone(anna, before);
  expect(asked.filter((path) => path === '/api/drop')).toHaveLength(1);
  expect((await jobsOf(anna)).length).toBe(before + 1);
});

test.skipIf(isWithout)('a job that is not there says so, and a share of a command is there', async () => {
  await page.goto(new URL('/?show=history&job=zzzz', page.url()).href);
  await page.getByText('no job has the id "zzzz"').waitFor();

  await see('Automatic');
  await page.getByRole('heading', { name: 'Shared folders' }).waitFor();
  const row = page.locator('li', { hasText: 'from-a-command' });
  const folder = join(network.folder, 'from-a-command');
  await mkdir(folder);
  await anna.ask('share', 'add', folder);
  await row.waitFor();
  expect(await row.count()).toBe(1);
  await anna.ask('share', 'remove', 'from-a-command', '--yes');
  await row.waitFor({ state: 'detached' });
});

test.skipIf(isWithout)(
  'no view has a barrier that axe finds, and nothing was run or complained of',
  async () => {
    const found: string[] = [];
    for (const title of ['Inbox', 'Messages', 'History', 'Automatic', 'Send']) {
      await see(title);
      found.push(...(await accessProblems()));
    }
    await page.emulateMedia({ colorScheme: 'dark' });
    found.push(...(await accessProblems()));
    expect(found).toEqual([]);
    expect(problems).toEqual([]);
  },
);

test.skipIf(isWithout)('who signs out has no access, and its address shows nothing', async () => {
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByText('This browser has no access').waitFor();
  await page.reload();
  await page.getByText('filer-client open').waitFor();
  expect((await anna.ask('open', '--list'))['sessions']).toEqual([]);
});

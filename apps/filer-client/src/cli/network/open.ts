import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import {
  flag,
  formatAgo,
  formatDuration,
  optional,
  printable,
  renderTable,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { FilerError, replaceSecretFile } from '@filer/protocol';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

export const args = {
  print: flag('print the link only, and open no browser'),
  list: flag('list the browsers that have a session instead'),
  revoke: optional(
    textKind('the id of a session, or all', { value: 'id', completes: 'page-session' }),
    'end the session of a browser instead, or all of them and the links',
  ),
};

export const examples = ['open', 'open --print', 'open --list', 'open --revoke all'];

type Arguments = ArgumentValues<typeof args>;

const COLUMNS = [
  { title: 'ID', fit: 'whole' },
  { title: 'BEGUN', fit: 'whole' },
  { title: 'USED', fit: 'whole', dropOrder: 1 },
  { title: 'ENDS', fit: 'whole' },
  { title: 'BROWSER' },
] as const;

/** How long it may take to say that it cannot open a browser, in ms; one that opened it may stay. */
const OPENED_WITHIN_MS = 2_000;

export async function run({ print, list, revoke }: Arguments, context: Context): Promise<void> {
  if (list && revoke !== undefined) throw new FilerError('usage', '--list and --revoke exclude each other');
  if (list) await listSessions(context);
  else if (revoke === undefined) await makeLink(print, context);
  else await endSessions(revoke, context);
}

async function listSessions(context: Context): Promise<void> {
  const { output } = context;
  const answer = await call(context, contract.pageSessions, {});
  output.json(answer);
  const now = Date.now();
  const rows = answer.sessions.map(({ id, browser, begunAt, usedAt, expiresAt }) => [
    id,
    formatAgo(Date.parse(begunAt), now),
    formatAgo(Date.parse(usedAt), now),
    `in ${formatDuration(Date.parse(expiresAt) - now)}`,
    browser,
  ]);
  if (rows.length === 0) output.words('No browser has a session with the page of this machine.');
  else output.line(renderTable(COLUMNS, rows, output.columns));
}

async function endSessions(which: string, context: Context): Promise<void> {
  const { output } = context;
  const answer = await call(context, contract.pageSessionEnd, which === 'all' ? {} : { id: which });
  output.json(answer);
  for (const { id, browser } of answer.ended) output.line(`ended the session ${id}: ${printable(browser)}`);
  if (answer.ended.length === 0)
    output.words('No browser had a session; links that were not opened yet have ended.');
}

async function makeLink(print: boolean, context: Context): Promise<void> {
  const { output } = context;
  const { url } = await call(context, contract.open, {});
  const opened = print ? undefined : await openBrowser(url, context);
  output.json({ url, opened: opened === 'opened' });
  output.line(url);
  if (opened === undefined) return;
  output.words(
    opened === 'opened'
      ? 'The browser opens it. The link works for 15 minutes, the page for a week.'
      : `No browser was opened (${opened}): open the link in one on this machine within 15 minutes.`,
  );
}

/** @returns `opened`, or why not */
async function openBrowser(url: string, { env, home }: Context): Promise<string> {
  const isMac = process.platform === 'darwin';
  const hasScreen =
    isMac || ['DISPLAY', 'WAYLAND_DISPLAY', 'BROWSER'].some((name) => (env[name] ?? '') !== '');
  if (!hasScreen) return 'this terminal has no screen';
  const program = isMac ? 'open' : 'xdg-open';
  // Other users of the machine can read command lines: the link is in a file that only this user reads.
  const file = join(dirname(home.lockFile), 'open-page.html');
  await replaceSecretFile(file, redirectTo(url));
  const child = spawn(program, [file], { stdio: 'ignore', detached: true, env });
  const ended = new Promise<string>((resolve) => {
    child.once('error', () => resolve(`there is no ${program}`));
    child.once('exit', (code) => resolve(code === 0 ? 'opened' : `${program} ended with code ${code}`));
    setTimeout(() => resolve('opened'), OPENED_WITHIN_MS).unref();
  });
  const how = await ended;
  child.unref();
  return how;
}

/** @param url of this program: it has no character that HTML knows */
function redirectTo(url: string): string {
  return `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${url}"><title>filer</title>\n`;
}

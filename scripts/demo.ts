/*
 * The main job on the embedded default, for real: an ip-server and two filer-clients as separate processes with
 * homes in a temporary folder, joined by invite; their first reports; a file from one to the other; its receipt.
 *
 *   npm run demo                 with a 256 MiB file of random bytes
 *   npm run demo -- FILE         with a file of yours
 *   npm run demo -- --keep       leaves the network running and says what to try next
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { mkdtemp, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const MADE_FILE_BYTES = 256 * 1024 * 1024;
const READY_WITHIN_MS = 30_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const programs = {
  'ip-server': join(root, 'apps/ip-server/bin/ip-server.js'),
  'filer-client': join(root, 'apps/filer-client/bin/filer-client.js'),
};
type Program = keyof typeof programs;

const { values: options, positionals } = readOptions();

function readOptions(): { values: { keep: boolean }; positionals: string[] } {
  try {
    return parseArgs({ options: { keep: { type: 'boolean', default: false } }, allowPositionals: true });
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\nUsage: npm run demo -- [FILE] [--keep]`,
    );
    process.exit(2);
  }
}

const daemons: ChildProcess[] = [];

function say(line = ''): void {
  console.log(line);
}

function start(
  program: Program,
  args: readonly string[],
  home: string,
  stdio: 'inherit' | 'pipe',
): ChildProcess {
  const variable = program === 'ip-server' ? 'IP_SERVER_HOME' : 'FILER_HOME';
  return spawn(process.execPath, [programs[program], ...args], {
    env: { ...process.env, [variable]: home },
    stdio: ['pipe', stdio, stdio],
    // A terminal's Ctrl-C reaches this script alone, which then ends the others in order.
    detached: true,
  });
}

/** Starts a daemon and waits for its one ready line. */
async function daemon(
  program: Program,
  args: readonly string[],
  home: string,
): Promise<Record<string, unknown>> {
  const child = start(program, ['start', '--json', ...args], home, 'pipe');
  daemons.push(child);
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error('the output of a daemon is piped');
  const words = readAll(stderr);
  const timer = setTimeout(() => child.kill(), READY_WITHIN_MS);
  for await (const line of createInterface({ input: stdout })) {
    clearTimeout(timer);
    stdout.resume();
    if (options.keep) child.unref();
    const ready: unknown = JSON.parse(line);
    if (typeof ready === 'object' && ready !== null) return { ...ready };
  }
  throw new Error(`${program} did not start:\n${await words}`);
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  await once(child, 'close');
  return child.exitCode;
}

/** Runs a command to its end. @returns its standard output */
async function run(program: Program, args: readonly string[], home: string, input = ''): Promise<string> {
  const child = start(program, args, home, 'pipe');
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null)
    throw new Error('the streams of a command are piped');
  stdin.end(input);
  const [output, words, code] = await Promise.all([readAll(stdout), readAll(stderr), exitCode(child)]);
  if (code !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with exit code ${code}:\n${words}${output}`);
  return output;
}

async function json(
  program: Program,
  args: readonly string[],
  home: string,
): Promise<Record<string, unknown>> {
  const value: unknown = JSON.parse(await run(program, [...args, '--json'], home));
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function listUnder(document: Record<string, unknown>, key: string): Record<string, unknown>[] {
  const list = document[key];
  return Array.isArray(list) ? list.map((item: unknown) => ({ ...(item as object) })) : [];
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest('hex');
}

async function makeFile(path: string): Promise<string> {
  const handle = await open(path, 'wx');
  for (let written = 0; written < MADE_FILE_BYTES; written += 1024 * 1024)
    await handle.write(randomBytes(1024 * 1024));
  await handle.close();
  return path;
}

async function firstReports(server: string, names: readonly string[]): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    if (Date.now() > deadline) throw new Error(`${names.join(' and ')} did not report in`);
    const peers = listUnder(await json('ip-server', ['peers'], server), 'peers');
    const reported = peers.filter(
      (peer) => peer['online'] === true && (peer['lastHeartbeat'] ?? null) !== null,
    );
    if (names.every((name) => reported.some((peer) => peer['name'] === name))) return;
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

async function main(): Promise<void> {
  const given = positionals[0];
  if (given !== undefined && !(existsSync(given) && statSync(given).isFile())) {
    throw new Error(`there is no file ${given}: name one, or none for a made one`);
  }
  const folder = await mkdtemp(join(tmpdir(), 'filer-demo-'));
  const server = join(folder, 'server');
  const homes = { alice: join(folder, 'alice'), bob: join(folder, 'bob') };

  say('1. Starting an ip-server …');
  const ready = await daemon(
    'ip-server',
    ['--host', '127.0.0.1', '--port', '0', '--http-port', '0', '--report-interval', '1s'],
    server,
  );
  say(`   it listens on ${String(ready['listen'])}`);

  say('2. Two machines join by invite and start …');
  const link = await run('ip-server', ['invite', '--uses', '2'], server);
  for (const [name, home] of Object.entries(homes)) {
    await run('filer-client', ['join', '-', '--name', name], home, link);
    const client = await daemon('filer-client', ['--listen', '127.0.0.1:0'], home);
    say(`   ${name} listens on ${String(client['listen'])}`);
  }

  say('3. Waiting for their first reports …');
  await firstReports(server, Object.keys(homes));
  await run('filer-client', ['report', 'demo=ready', '--title', 'hello from alice'], homes.alice);
  say(await run('ip-server', ['reports'], server));

  const file = given === undefined ? await makeFile(join(folder, 'footage.bin')) : resolve(given);
  say(`4. alice sends ${basename(file)} to bob:  filer-client send ${file} --to bob`);
  const sending = start('filer-client', ['send', file, '--to', 'bob'], homes.alice, 'inherit');
  const code = await exitCode(sending);
  if (code !== 0) throw new Error(`the transfer ended with exit code ${code}`);

  const [item] = listUnder(await json('filer-client', ['inbox'], homes.bob), 'items');
  const received = String(item?.['path']);
  say('5. Comparing both files by SHA-256 …');
  const [sent, arrived] = [await sha256(file), await sha256(received)];
  say(`   ${sent}  ${file}`);
  say(`   ${arrived}  ${received}`);
  if (sent !== arrived) throw new Error('THE FILES DIFFER');

  say();
  say('Done: the file went straight from alice to bob, was verified, and bob signed a receipt for it.');
  say(`Everything is in ${folder}: server/ is the ip-server's home, alice/ and bob/ the clients'.`);
  if (!options.keep) {
    say(`Remove it with:  rm -r ${folder}`);
    return;
  }
  const dashboard = await run('ip-server', ['dashboard', '--role', 'admin'], server);
  say('The network keeps running. Its dashboard, in a browser on this machine:');
  say(`  ${dashboard.trim()}`);
  const { url: page } = await json('filer-client', ['open', '--print'], homes.alice);
  say('and the page of alice:');
  say(`  ${String(page)}`);
  say('Try next, in this folder:');
  say(`  FILER_HOME=${homes.alice} npx filer-client peers`);
  say(`  FILER_HOME=${homes.alice} npx filer-client message bob "did you get it?"`);
  say(`  FILER_HOME=${homes.bob} npx filer-client messages`);
  say(`  FILER_HOME=${homes.bob} npx filer-client inbox`);
  say(`  FILER_HOME=${homes.bob} npx filer-client send package.json --to alice`);
  say(`  IP_SERVER_HOME=${server} npx ip-server peers`);
  say(`End it with:  kill ${daemons.map((child) => child.pid).join(' ')}`);
}

async function endDaemons(): Promise<void> {
  for (const child of daemons.reverse()) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const closed = once(child, 'exit');
    child.kill('SIGTERM');
    await closed;
  }
}

let interrupted = false;
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(signal, () => {
    interrupted = true;
    void endDaemons().then(() => process.exit(code));
  });
}
try {
  await main();
  if (!options.keep) await endDaemons();
} catch (error) {
  if (!interrupted) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    await endDaemons();
    process.exitCode = 1;
  }
}
if (options.keep) process.exit();

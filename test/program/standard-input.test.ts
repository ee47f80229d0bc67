import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { needs } from '../support/needs.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'filer-stdin-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'file'), '123456789\n12345');
});

/** What the fixture prints with a standard input that a shell opens. */
async function heldBy(redirection: string): Promise<string> {
  const file = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
  const program = [process.execPath, '--import', file('sources.ts'), file('program/standard-input.ts')];
  const script = redirection.replace('PROGRAM', program.map((word) => `'${word}'`).join(' '));
  const child = spawn('sh', ['-c', script], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  return (await text(child.stdout)).trim();
}

test.each([
  ['a folder', 'PROGRAM < .', 'path-unsupported'],
  ['closed', 'PROGRAM <&-', 'path-unsupported'],
  ['a file', 'PROGRAM < file', '15'],
  ['a file that was read in part', '{ head -c 10 >/dev/null; PROGRAM; } < file', '5'],
  ['a pipe', 'cat file | PROGRAM', '15'],
  ['an empty device', 'PROGRAM < /dev/null', '0'],
])('standard input that is %s', async (_what, redirection, held) => {
  expect(await heldBy(redirection)).toBe(held);
});

test.skipIf(needs.root())('standard input that is a block device is read to its end', async () => {
  await writeFile(join(folder, 'image'), randomBytes(1024 * 1024));
  const loop = 'device=$(losetup -f --show image 2>/dev/null) || { echo none; exit; }';
  const held = await heldBy(`${loop}; PROGRAM < "$device"; losetup -d "$device"`);
  expect(['none', String(1024 * 1024)]).toContain(held); // a container may have no loop devices
});

test.skipIf(needs('python3'))('standard input that is a socket without an end is refused', async () => {
  const script = `import socket, subprocess, sys
ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
subprocess.run(sys.argv[1:], stdin=ends[0])`;
  expect(await heldBy(`python3 -c '${script}' PROGRAM`)).toBe('path-unsupported');
});

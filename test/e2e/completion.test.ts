import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { Terminal } from '../support/terminal.ts';

// Each Tab starts a program.
const bin = fileURLToPath(new URL('../../apps/filer-client/bin/', import.meta.url));

let network: NetworkHere;
let alice: ClientHere;

beforeAll(async () => {
  network = await NetworkHere.open();
  alice = await network.add('alice');
  const bob = await network.add('bob');
  const docs = join(network.folder, 'docs', 'a b');
  await mkdir(docs, { recursive: true });
  await bob.ask('share', 'add', join(network.folder, 'docs'));
  await alice.sees('bob');
  // Programs that say what they were called with, and complete as ours do.
  await mkdir(join(network.folder, 'bin'));
  for (const name of ['filer-client', 'filer']) {
    const program = join(network.folder, 'bin', name);
    const ours = `exec '${process.execPath}' '${bin}${name}.js' "$@"`;
    const script = `#!/bin/sh\ncase $1 in completion|--complete) ${ours};; esac\nprintf '<%s>' called "$@"\necho\n`;
    await writeFile(program, script);
    await chmod(program, 0o755);
  }
});
afterAll(() => network[Symbol.asyncDispose]());

test.skipIf(needs('bash', 'zsh', 'fish', 'python3')).each([
  ['bash', 'filer-client', ['--norc', '--noprofile', '-i'], 'source <(filer-client completion bash)'],
  ['zsh', 'filer', ['-f', '-i'], 'source <(filer completion zsh)'],
  ['fish', 'filer-client', ['--no-config', '-i'], 'filer-client completion fish | source'],
] as const)(
  'in %s a Tab completes the commands, choices, recipients and paths of %s',
  async (shell, name, args, source) => {
    const terminal = new Terminal([shell, ...args], {
      HOME: network.folder,
      PATH: `${join(network.folder, 'bin')}:${process.env['PATH'] ?? ''}`,
      FILER_HOME: alice.home,
    });
    onTestFinished(() => terminal.kill());
    terminal.type(`${source}; ${name} ready\r`);
    await terminal.shows('<called><ready>');

    terminal.type(`${name} sen\tx --on-c\tu\t--to @a\t\r`);
    await terminal.shows('<called><send><x><--on-conflict><update><--to><@all>');
    terminal.type(`${name} send x bo\t\r`);
    await terminal.shows('<called><send><x><bob:>');

    // A busy machine may not answer within 300 ms.
    for (;;) {
      terminal.type(`${name} get bob:docs/a\t\r`);
      await terminal.shows('<called><get>');
      await terminal.shows('\n');
      if (terminal.shown.includes('<called><get><bob:docs/a b/>')) break;
    }
    expect(terminal.shown).not.toContain(`${name}:`);
  },
);

import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { NetworkHere, type ClientHere } from '../support/network-here.ts';
import { Terminal } from '../support/terminal.ts';

const bin = fileURLToPath(new URL('../../apps/filer-client/bin/filer-client.js', import.meta.url));

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
  // A program that says what it was called with, and completes as ours does.
  const program = join(network.folder, 'bin', 'filer-client');
  await mkdir(join(network.folder, 'bin'));
  const script = `#!/bin/sh\ncase $1 in completion|--complete) exec '${process.execPath}' '${bin}' "$@";; esac\nprintf '<%s>' called "$@"\necho\n`;
  await writeFile(program, script);
  await chmod(program, 0o755);
});
afterAll(() => network[Symbol.asyncDispose]());

test.skipIf(needs('bash', 'zsh', 'fish', 'python3')).each([
  ['bash', ['bash', '--norc', '--noprofile', '-i'], 'source <(filer-client completion bash)'],
  ['zsh', ['zsh', '-f', '-i'], 'source <(filer-client completion zsh)'],
  ['fish', ['fish', '--no-config', '-i'], 'filer-client completion fish | source'],
] as const)(
  'in %s a Tab completes commands, choices, recipients, and paths of a peer',
  async (_, shell, source) => {
    const terminal = new Terminal(shell, {
      HOME: network.folder,
      PATH: `${join(network.folder, 'bin')}:${process.env['PATH'] ?? ''}`,
      FILER_HOME: alice.home,
    });
    onTestFinished(() => terminal.kill());
    terminal.type(`${source}; filer-client ready\r`);
    await terminal.shows('<called><ready>');

    terminal.type('filer-client sen\tx --on-c\tu\t--to @a\t\r');
    await terminal.shows('<called><send><x><--on-conflict><update><--to><@all>');

    // A busy machine may not answer within 300 ms.
    for (;;) {
      terminal.type('filer-client get bo\tdo\ta\t\r');
      await terminal.shows('<called><get>');
      await terminal.shows('\n');
      if (terminal.shown.includes('<called><get><bob:docs/a b/>')) break;
    }
    expect(terminal.shown).not.toContain('filer-client:');
  },
);

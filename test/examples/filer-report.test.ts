import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createIdentity } from '@filer/protocol';
import { needs } from '../support/needs.ts';
import { TestNetwork } from '../support/test-network.ts';

const SCRIPT = fileURLToPath(new URL('../../examples/python/filer_report.py', import.meta.url));

/** The example at work; what it prints is kept. */
function start(...args: string[]) {
  const child = spawn('python3', [SCRIPT, ...args]);
  const printed = { out: '', err: '' };
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const go of waiting) go();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed.out += text;
    wake();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed.err += text));
  const ended = once(child, 'close').then(() => {
    wake();
    return child.exitCode;
  });
  return {
    printed,
    ended,
    stop: () => child.kill('SIGINT'),
    /** Resolves when standard output has said it. */
    async said(words: RegExp): Promise<void> {
      while (!words.test(printed.out)) {
        if (child.exitCode !== null)
          throw new Error(`it ended without ${words}: ${printed.out}${printed.err}`);
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
    },
  };
}

test('the example has fewer than 80 lines and imports only what Python brings', async () => {
  const text = await readFile(SCRIPT, 'utf8');
  expect(text.trimEnd().split('\n').length).toBeLessThan(80);
  expect([...text.matchAll(/^import (.*)$/gm)].map(([, names]) => names)).toEqual([
    'base64, hashlib, json, pathlib, secrets, socket, ssl, struct, sys, time',
  ]);
});

describe.skipIf(needs('python3'))('the client in Python', () => {
  test('reports, prints the directory, and then what changes in it', async () => {
    await using network = await TestNetwork.open({ running: ['anna'] });
    await network.join('python');
    const client = start(network.home('python'), 'temperature=21.5', 'note=a=b "c" é');
    await client.said(/^stored/m);
    await client.said(/^member 'anna' '[A-Z2-7]{52}'$/m);
    await client.said(/^member 'python' '[A-Z2-7]{52}'$/m);
    await client.said(/^presence 'anna' online$/m);

    await network.add('bert');
    await client.said(/^member 'bert' '[A-Z2-7]{52}'$/m);
    await client.said(/^presence 'bert' online$/m);
    await network.daemon('bert').stop();
    await client.said(/^presence 'bert' stopped$/m);

    const reports = JSON.stringify(await network.askServer('reports', '--peer', 'python'));
    expect(reports).toContain('temperature');
    expect(reports).toContain('a=b \\"c\\" é');
    client.stop();
    await client.ended;
  });

  test('sends no byte to a server with another id, and nothing with a key that is not a member', async () => {
    await using network = await TestNetwork.open();
    await network.join('python');
    const home = network.home('python');
    const file = join(home, 'membership.json');
    const document = await readFile(file, 'utf8');
    const other = await createIdentity();

    const serverId = String(network.server.ready['id']);
    await writeFile(file, document.replaceAll(serverId, other.id));
    const misled = start(home);
    expect(await misled.ended).toBe(1);
    expect(misled.printed).toEqual({ out: '', err: 'this is not the server that was joined\n' });

    await writeFile(file, document);
    const stranger = network.home('stranger');
    await cp(home, stranger, { recursive: true });
    await writeFile(join(stranger, 'key.pem'), other.keyPem);
    await writeFile(join(stranger, 'cert.pem'), other.certPem);
    const refused = start(stranger);
    await refused.said(/^error '.*join with an invite/m);
    refused.stop();
    await refused.ended;
  });
});

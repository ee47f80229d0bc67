import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const app = fileURLToPath(new URL('../../apps/filer-client/', import.meta.url));

/** Modules of Node that take longer to load than a command needs for all else. */
const SLOW = ['tls', 'crypto', 'http', 'sqlite'];

test('help is shown without loading what connections need', async () => {
  const bin = join(app, 'bin/filer-client.js');
  const script = `
    process.argv = [process.execPath, ${JSON.stringify(bin)}, '--help'];
    process.once('exit', () => process.stderr.write(process.moduleLoadList.join('\\n')));
    await import(${JSON.stringify(bin)});`;
  const run = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const { stdout, stderr } = await run;

  expect(stdout).toContain('Usage: filer-client');
  const loaded = new Set(stderr.split('\n'));
  expect(SLOW.filter((name) => loaded.has(`NativeModule ${name}`))).toEqual([]);
});

test('a command that asks its daemon loads neither TLS nor keys', () => {
  const bundle = join(app, 'bundle');
  const calls = readdirSync(bundle).filter((name) => /^calls-.*\.js$/.test(name));

  expect(calls).toHaveLength(1);
  const text = readFileSync(join(bundle, calls[0] ?? ''), 'utf8');
  expect(text).toContain('recipients: a name');
  expect(text).not.toMatch(/from "node:(tls|crypto|http|sqlite)"/);
});

import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import {
  isOfSameHome,
  isOwnUnit,
  unitText,
  type UnitOptions,
} from '../../packages/program/src/service/unit.ts';
import { needs } from '../support/needs.ts';

const options: UnitOptions = {
  program: 'filer-client',
  version: '1.2.3',
  scope: 'user',
  command: ['/opt/node', '/opt/filer-client.js'],
  environment: {},
  user: '',
};

test.skipIf(needs('systemd-analyze')).each([
  ['filer-client', 'user'],
  ['filer-client', 'system'],
  ['ip-server', 'user'],
  ['ip-server', 'system'],
] as const)(
  'systemd has nothing against the unit of %s for the %s, whatever its paths contain',
  async (program, scope) => {
    const folder = await mkdtemp(join(tmpdir(), 'filer-unit-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const odd = join(folder, 'a "b" %h $HOME \\n \'c');
    await mkdir(odd);
    const node = join(odd, 'node');
    await writeFile(node, '#!/bin/sh\n');
    await chmod(node, 0o755);
    const unit = join(folder, `${program}.service`);
    const environment = { FILER_HOME: join(odd, 'home') };
    const command = [node, join(odd, 'main.js')];
    await writeFile(unit, unitText({ ...options, program, scope, command, environment, user: 'root' }));
    const args = ['verify', ...(scope === 'user' ? ['--user'] : []), unit];
    const { stdout, stderr } = await promisify(execFile)('systemd-analyze', args, {
      env: { ...process.env, XDG_RUNTIME_DIR: folder, SYSTEMD_LOG_LEVEL: 'warning' },
    });

    expect(stdout + stderr).toBe('');
  },
);

test('a service is not started again after it was removed, has not joined, or has a wrong command line', () => {
  expect(unitText(options)).toMatch(/^RestartPreventExitStatus=2 3 6$/m);
  expect(unitText(options)).toMatch(/^SuccessExitStatus=130 143$/m);
});

test('a unit tells of which home it is, and an upgrade or another Node changes it', () => {
  const text = unitText(options);
  const elsewhere = unitText({ ...options, environment: { FILER_HOME: '/srv/filer' } });

  expect(isOwnUnit(text)).toBe(true);
  expect(isOwnUnit('[Unit]\n')).toBe(false);
  expect(isOfSameHome(text, elsewhere)).toBe(false);
  for (const changed of [{ version: '1.2.4' }, { command: ['/opt/node-2', '/opt/filer-client.js'] }]) {
    const update = unitText({ ...options, ...changed });
    expect(update).not.toBe(text);
    expect(isOfSameHome(update, text)).toBe(true);
  }
});

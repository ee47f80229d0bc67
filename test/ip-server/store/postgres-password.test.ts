import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { until } from '../../support/in-process.ts';
import { freshFolder } from '../../support/ip-server.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { DaemonProcess, runProgram } from '../../support/programs.ts';

const PASSWORD = 'geheim-1234';

describe.skipIf(needs.postgres())('a database that asks for a password', () => {
  let cluster: PostgresCluster;
  let address: string;
  beforeAll(async () => {
    cluster = await PostgresCluster.start();
    address = (await cluster.freshDatabase()).replace('filer@', 'anna@');
    await cluster.sql('postgres', `CREATE ROLE anna SUPERUSER LOGIN PASSWORD '${PASSWORD}'`);
    const rules = join(cluster.folder, 'data', 'pg_hba.conf');
    await writeFile(rules, `local all anna scram-sha-256\n${await readFile(rules, 'utf8')}`);
    await cluster.sql('postgres', 'SELECT pg_reload_conf()');
    // It reads them a little later.
    const asks = async (): Promise<boolean> => {
      try {
        await (await openStore(address)).close();
        return false;
      } catch {
        return true;
      }
    };
    await until(asks, (isAsked) => isAsked);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  async function secretFile(text: string): Promise<string> {
    const file = join(await freshFolder(), 'secret');
    await writeFile(file, text);
    await chmod(file, 0o600);
    return file;
  }

  test.each(['PGPASSFILE', '--store-password-file'])(
    'has it from a file (%s), and no list of processes, log or answer shows it',
    async (how) => {
      const isFlag = how.startsWith('--');
      const file = await secretFile(isFlag ? `${PASSWORD}\n` : `*:*:*:anna:${PASSWORD}\n`);
      const more = isFlag ? [how, file] : [];
      const env: Record<string, string> = isFlag ? {} : { PGPASSFILE: file };
      const home = await freshFolder();
      const args = [
        '--host',
        '127.0.0.1',
        '--port',
        '0',
        '--log-level',
        'debug',
        '--store',
        address,
        ...more,
      ];
      const server = await DaemonProcess.start('ip-server', args, home, { env });
      onTestFinished(async () => void (await server.stop('SIGKILL')));
      const seen = await Promise.all(
        ['cmdline', 'environ'].map((name) => readFile(`/proc/${server.child.pid}/${name}`, 'latin1')),
      );
      const status = await runProgram('ip-server', ['status', '--json'], home, { env });
      expect(status).toMatchObject({ code: 0 });
      await server.stop();
      for (const { stderr } of [server, status]) expect(stderr).not.toContain('Deprecation');
      for (const text of [...seen, server.stdout, server.stderr, status.stdout, status.stderr])
        expect(text).not.toContain(PASSWORD);
    },
  );

  test('that is a wrong one is refused in a sentence, which does not repeat it', async () => {
    const passwordFile = await secretFile('falsch-9876');
    const refused = openStore(address, { passwordFile });
    await expect(refused).rejects.toMatchObject({
      code: 'configuration-invalid',
      message: expect.not.stringContaining('falsch-9876') as string,
    });
  });
});

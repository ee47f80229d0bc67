import { mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { Contender, Field } from './contender.ts';
import { freePort, installed, run, type Stage } from './stage.ts';
import { whenOpen } from './when-open.ts';

const CIPHER = 'aes128-gcm@openssh.com';

/** scp, and rsync over ssh, with a server of this run: its own port, keys and configuration. */
export async function overSsh(stage: Stage): Promise<Field> {
  const sshd = installed('sshd');
  const scp = installed('scp');
  const rsync = installed('rsync');
  const missing = Object.entries({ sshd, scp, rsync }).flatMap(([name, path]) =>
    path === undefined ? [name] : [],
  );
  if (sshd === undefined) return { contenders: [], missing };

  const [hostKey, userKey, config] = [
    stage.path('host-key'),
    stage.path('user-key'),
    stage.path('sshd.conf'),
  ];
  for (const key of [hostKey, userKey]) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const port = String(await freePort());
  await mkdir('/run/sshd', { recursive: true });
  await writeFile(
    config,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${hostKey}`,
      `AuthorizedKeysFile ${userKey}.pub`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      `Ciphers ${CIPHER}`,
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  stage.serve(sshd, ['-D', '-e', '-f', config], { stdio: 'ignore' });
  await whenOpen(Number(port));

  const known = [
    '-o',
    'StrictHostKeyChecking=no',
    '-o',
    'UserKnownHostsFile=/dev/null',
    '-o',
    'LogLevel=ERROR',
  ];
  const how = ['-F', 'none', '-i', userKey, '-c', CIPHER, ...known];
  const host = `${userInfo().username}@127.0.0.1`;
  const contenders: Contender[] = [];
  if (scp !== undefined) {
    contenders.push({
      name: 'scp, AES-GCM',
      carry: async (source, round) => {
        await run(scp, ['-q', '-r', ...how, '-P', port, source, `${host}:${stage.path(`scp-${round}`)}`]);
        return undefined;
      },
    });
  }
  if (rsync !== undefined) {
    const shell = ['ssh', ...how, '-p', port].join(' ');
    const over = (
      name: string,
      target: string,
      more: readonly string[],
      isIncremental = false,
    ): Contender => ({
      name,
      isIncremental,
      carry: async (source, round) => {
        const to = isIncremental ? target : `${target}-${round}`;
        await run(rsync, ['-a', ...more, '-e', shell, source, `${host}:${stage.path(to)}`]);
        return undefined;
      },
    });
    contenders.push(
      over('rsync over ssh, AES-GCM', 'rsync', []),
      over('rsync --fsync over ssh', 'rsync-fsync', ['--fsync']),
      over('rsync -a over ssh, again', 'rsync-again', [], true),
    );
  }
  return { contenders, missing };
}

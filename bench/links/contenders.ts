import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LinkedHosts } from '../../test/support/link.ts';
import { DaemonProcess, jsonLines, runProgram } from '../../test/support/programs.ts';
import { firstLine, run } from '../transfer/stage.ts';

/** Brings a file from the first host to the second. @returns seconds, where it measures them itself */
export type Carry = (source: string, bytes: number, round: string) => Promise<number | undefined>;

const { a, b } = LinkedHosts.addresses;
const CIPHER = 'aes128-gcm@openssh.com';
const bareLoop = fileURLToPath(new URL('../transfer/bare-loop.ts', import.meta.url));

export async function contendersOn(
  hosts: LinkedHosts,
  folder: string,
): Promise<{ readonly all: Readonly<Record<string, Carry>> } & AsyncDisposable> {
  const closing = new AsyncDisposableStack();
  try {
    const filer = await filerOn(hosts, folder, closing);
    const rsync = await rsyncOn(hosts, folder, closing);
    const tls = tlsOn(hosts, folder);
    const all = {
      filer,
      'iperf3, one stream': iperf(hosts, 1),
      'iperf3, 8 streams': iperf(hosts, 8),
      'one TLS stream': tls,
      'rsync over ssh': rsync,
    };
    return { all, [Symbol.asyncDispose]: () => closing.disposeAsync() };
  } catch (error) {
    await closing.disposeAsync();
    throw error;
  }
}

async function filerOn(hosts: LinkedHosts, folder: string, closing: AsyncDisposableStack): Promise<Carry> {
  const home = (name: string): string => join(folder, name);
  const start = async (...[program, flags, name, host]: [...Parameters<typeof DaemonProcess.start>]) => {
    const daemon = await DaemonProcess.start(program, flags, name, host);
    closing.defer(() => daemon.stop('SIGKILL').then(() => undefined));
    return daemon;
  };
  const listening = ['--port', '10901', '--http-port', 'off', '--advertise', `${a}:10901`];
  await start('ip-server', listening, home('server'), hosts.on('a'));
  const invited = await runProgram('ip-server', ['invite', '--uses', '2'], home('server'), hosts.on('a'));
  for (const [name, host] of [
    ['alice', 'a'],
    ['bob', 'b'],
  ] as const) {
    const joining = { ...hosts.on(host), input: invited.stdout };
    const joined = await runProgram('filer-client', ['join', '-', '--name', name], home(name), joining);
    if (joined.code !== 0) throw new Error(joined.stderr);
    const daemon = await start('filer-client', [], home(name), hosts.on(host));
    await daemon.said('connected to the ip-server');
  }
  return async (source) => {
    const sent = await runProgram(
      'filer-client',
      ['send', source, '--to', 'bob', '--json'],
      home('alice'),
      hosts.on('a'),
    );
    if (jsonLines(sent).at(-1)?.['ok'] !== true) throw new Error(sent.stdout + sent.stderr);
    await rm(join(home('bob'), 'inbox'), { recursive: true });
    return undefined;
  };
}

/** What arrives is counted, whatever is still in the buffers of the sender at its end. */
function iperf(hosts: LinkedHosts, streams: number): Carry {
  return async (_, bytes) => {
    const [command, ...on] = [...hosts.on('b').wrapper, 'iperf3', '-s', '-1', '--forceflush'];
    const server = spawn(command ?? '', on, { stdio: ['ignore', 'pipe', 'inherit'] });
    await firstLine(server);
    const amount = ['-n', String(Math.ceil(bytes / streams)), '-P', String(streams)];
    const told = await run('ip', [...hosts.on('a').wrapper.slice(1), 'iperf3', '-c', b, ...amount, '-J']);
    if (server.exitCode === null) await once(server, 'exit');
    const { end } = JSON.parse(told) as { end: { sum_received: { seconds: number; bytes: number } } };
    return (end.sum_received.seconds * bytes) / end.sum_received.bytes;
  };
}

function tlsOn(hosts: LinkedHosts, folder: string): Carry {
  return async (source, _, round) => {
    const certificate = ['cert.pem', 'key.pem'].map((file) => join(folder, 'alice', file));
    const [command, ...on] = [...hosts.on('a').wrapper, process.execPath, bareLoop, 'send', source, '7000'];
    const options = { stdio: ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit'] };
    const sender = spawn(command ?? '', [...on, ...certificate, a], options);
    const gone = once(sender, 'close');
    await firstLine(sender);
    const target = join(folder, `tls-${round}`);
    const receive = [process.execPath, bareLoop, 'receive', target, '7000', a];
    await run('ip', [...hosts.on('b').wrapper.slice(1), ...receive]);
    await gone;
    await rm(target);
    return undefined;
  };
}

async function rsyncOn(hosts: LinkedHosts, folder: string, closing: AsyncDisposableStack): Promise<Carry> {
  const [hostKey, userKey, config] = ['host-key', 'user-key', 'sshd.conf'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  for (const key of [hostKey, userKey]) await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  await mkdir('/run/sshd', { recursive: true });
  const lines = [
    'Port 7022',
    `ListenAddress ${b}`,
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${userKey}.pub`,
    'PidFile none',
  ];
  lines.push('StrictModes no', 'UsePAM no', 'PermitRootLogin yes', `Ciphers ${CIPHER}`, '');
  await writeFile(config, lines.join('\n'));
  const [command, ...on] = [...hosts.on('b').wrapper, '/usr/sbin/sshd', '-D', '-e', '-f', config];
  const sshd = spawn(command ?? '', on, { stdio: 'ignore' });
  closing.defer(async () => {
    const gone = once(sshd, 'exit');
    sshd.kill();
    await gone;
  });
  const known = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  const shell = [
    'ssh',
    '-F',
    'none',
    '-i',
    userKey,
    '-c',
    CIPHER,
    '-p',
    '7022',
    ...known.flatMap((each) => ['-o', each]),
  ];
  return async (source, _, round) => {
    const target = join(folder, `rsync-${round}`);
    const args = [
      'rsync',
      '-a',
      '--fsync',
      '-e',
      shell.join(' '),
      source,
      `${userInfo().username}@${b}:${target}`,
    ];
    await run('ip', [...hosts.on('a').wrapper.slice(1), ...args]);
    await rm(target);
    return undefined;
  };
}

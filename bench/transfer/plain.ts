import { writeFile } from 'node:fs/promises';
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { userInfo } from 'node:os';
import type { Contender, Field } from './contender.ts';
import { freePort, installed, run, type Stage } from './stage.ts';
import { whenOpen } from './when-open.ts';

/** The rsync daemon: no encryption. */
export async function rsyncDaemon(stage: Stage): Promise<Field> {
  const rsync = installed('rsync');
  if (rsync === undefined) return { contenders: [], missing: [] }; // said by `overSsh`
  const port = await freePort();
  const config = stage.path('rsyncd.conf');
  const { uid, gid } = userInfo();
  const module = ['[all]', `path = ${stage.folder}`, 'read only = no', `uid = ${uid}`, `gid = ${gid}`];
  await writeFile(
    config,
    ['use chroot = no', `lock file = ${stage.path('rsyncd.lock')}`, ...module, ''].join('\n'),
  );
  stage.serve(
    rsync,
    ['--daemon', '--no-detach', `--config=${config}`, '--address=127.0.0.1', `--port=${port}`],
    {
      stdio: 'ignore',
    },
  );
  await whenOpen(port);
  const carry: Contender['carry'] = async (source, round) => {
    await run(rsync, ['-a', source, `rsync://127.0.0.1:${port}/all/rsyncd-${round}`]);
    return undefined;
  };
  return { contenders: [{ name: 'rsync daemon (not encrypted)', carry }], missing: [] };
}

/** nginx and curl over HTTPS with the certificate of a client: the receiver fetches. */
export async function https(stage: Stage): Promise<Field> {
  const nginx = installed('nginx');
  const curl = installed('curl');
  const missing = Object.entries({ nginx, curl }).flatMap(([name, path]) =>
    path === undefined ? [name] : [],
  );
  if (nginx === undefined || curl === undefined) return { contenders: [], missing };
  const port = await freePort();
  const config = stage.path('nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  await writeFile(
    config,
    `daemon off; master_process off; pid ${stage.path('nginx.pid')}; error_log ${stage.path('nginx.log')};
${userInfo().uid === 0 ? 'user root;' : ''}
events {}
http {
  access_log off; sendfile on; keepalive_requests 1000000;
  ${temporary.map((name) => `${name}_temp_path ${stage.path(`nginx-${name}`)};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ssl; root ${stage.folder};
    ssl_certificate ${stage.path('alice', 'cert.pem')}; ssl_certificate_key ${stage.path('alice', 'key.pem')};
    ssl_protocols TLSv1.3;
  }
}
`,
  );
  stage.serve(nginx, ['-c', config, '-e', stage.path('nginx.log')], { stdio: 'ignore' });
  await whenOpen(port);
  const carry: Contender['carry'] = async (source, round) => {
    const list = filesOf(source).flatMap((file) => {
      const name = file.slice(dirname(source).length + 1);
      const url = `https://127.0.0.1:${port}${file.slice(stage.folder.length)}`;
      return [`url = "${url}"`, `output = "${stage.path(`curl-${round}`, name)}"`];
    });
    const requests = stage.path(`curl-${round}.txt`);
    await writeFile(requests, list.join('\n'));
    await run(curl, ['-s', '-f', '-k', '--tlsv1.3', '--create-dirs', '-K', requests]);
    return undefined;
  };
  return { contenders: [{ name: 'nginx and curl, HTTPS', carry }], missing };
}

function filesOf(source: string): string[] {
  if (!statSync(source).isDirectory()) return [join(dirname(source), basename(source))];
  return readdirSync(source, { withFileTypes: true, recursive: true })
    .filter((item) => item.isFile())
    .map((item) => join(item.parentPath, item.name));
}

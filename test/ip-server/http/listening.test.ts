import { X509Certificate } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { createWebCertificate } from '@filer/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { httpListen } from '../../../apps/ip-server/src/http/http-settings.ts';
import { readConfiguration, resolveHome } from '@filer/program';
import { SETTINGS } from '../../../apps/ip-server/src/settings.ts';
import { freshFolder } from '../../support/ip-server.ts';
import { openApi, type Api } from './api.ts';

/** A request over TLS whose certificate no one has signed. */
async function overTls(
  api: Api,
  path: string,
  headers: string[],
): Promise<{ answer: string; fingerprint: string }> {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(new URL(api.url).port),
    rejectUnauthorized: false,
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  const fingerprint = socket.getPeerX509Certificate()?.fingerprint256 ?? '';
  socket.write([`GET ${path} HTTP/1.1`, 'connection: close', ...headers, '', ''].join('\r\n'));
  let answer = '';
  for await (const piece of socket.setEncoding('utf8')) answer += piece;
  return { answer, fingerprint };
}

test('an address that others reach is served with TLS, by a certificate whose fingerprint is told and lasts', async () => {
  const api = await openApi({ httpHost: '0.0.0.0', httpName: ['ops.example'] });
  const { server } = api.network;
  expect(api.url).toMatch(/^https:\/\/ops\.example:/);
  const { token } = await api.token('read');
  const host = 'host: ops.example';
  const { answer, fingerprint } = await overTls(api, '/api/status', [host, `authorization: Bearer ${token}`]);
  expect(answer).toMatch(/^HTTP\/1\.1 200/);
  expect(server.http.fingerprint).toBe(fingerprint);
  expect((await overTls(api, '/api/status', [host])).answer).toMatch(/^HTTP\/1\.1 401/);
  expect((await overTls(api, '/api/status', ['host: evil.example'])).answer).toMatch(/^HTTP\/1\.1 421/);

  const file = server.home.httpCertificateFile;
  const certificate = new X509Certificate(
    (await readFile(file, 'utf8')).replace(/^.*?(?=-----BEGIN CERT)/s, ''),
  );
  expect(certificate.checkHost('ops.example')).toBe('ops.example');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await api.network.stopServer();
  await api.network.startServer();
  expect(api.network.server.http.fingerprint).toBe(fingerprint);
});

test('with TLS a cookie is Secure, and for this host alone', async () => {
  const api = await openApi({ httpHost: '0.0.0.0' });
  const { token } = await api.token('read');
  const body = JSON.stringify({ token });
  const socket = connect({
    host: '127.0.0.1',
    port: Number(new URL(api.url).port),
    rejectUnauthorized: false,
  });
  onTestFinished(() => void socket.destroy());
  socket.write(
    `POST /session HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  let answer = '';
  for await (const piece of socket.setEncoding('utf8')) answer += piece;
  expect(answer).toMatch(
    /set-cookie: __Host-ip-server-\d+=[^;]+; Path=\/; HttpOnly; SameSite=Strict; Max-Age=\d+; Secure\r\n/i,
  );
});

test('a stated proxy says who asks and that TLS is used; others that say so are not believed', async () => {
  const api = await openApi({ httpProxy: ['127.0.0.1'], httpName: ['ops.example'] });
  const { token } = await api.token('admin');
  const proxied = {
    host: 'ops.example',
    'x-forwarded-for': '198.51.100.7, 192.0.2.1',
    'x-forwarded-proto': 'https',
  };
  const change = (headers: Record<string, string>) =>
    api.ask('/session', { method: 'POST', headers, body: { token } });
  const answer = await change({ ...proxied, origin: 'https://ops.example' });
  expect(answer.headers['set-cookie']?.[0]).toMatch(/^__Host-.*; Secure$/);
  expect((await change({ ...proxied, origin: 'http://ops.example' })).status).toBe(403);
  // What comes through a proxy does not come from this machine.
  expect((await api.ask('/metrics', { headers: proxied })).status).toBe(401);

  const plain = await openApi({ httpName: ['ops.example'] });
  const own = await plain.token('admin');
  const believed = await plain.ask('/session', {
    method: 'POST',
    headers: proxied,
    body: { token: own.token },
  });
  expect(believed.headers['set-cookie']?.[0]).not.toContain('Secure');
});

test('with a stated proxy an address that others reach serves nothing but the proxy', async () => {
  const api = await openApi({ httpHost: '0.0.0.0', httpProxy: ['192.0.2.1'], httpName: ['ops.example'] });
  const port = new URL(api.url).port;
  const { token } = await api.token('admin');
  const answer = await fetch(`http://127.0.0.1:${port}/api/status`, {
    headers: {
      authorization: `Bearer ${token}`,
      'x-forwarded-for': '192.0.2.9',
      'x-forwarded-proto': 'https',
    },
  });
  expect(answer.status).toBe(403);
});

test('a port that was asked for is taken, or the start fails', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void taken.close());
  await once(taken, 'listening');
  await expect(openApi({ httpPort: (taken.address() as AddressInfo).port })).rejects.toMatchObject({
    code: 'port-in-use',
  });
});

test('a certificate and its key belong together', async () => {
  const home = resolveHome('ip-server', { IP_SERVER_HOME: '/nowhere' });
  const settings = await readConfiguration(SETTINGS, {
    home,
    env: {},
    flags: { httpCert: '/nowhere/cert.pem' },
  });
  await expect(httpListen(settings, home)).rejects.toMatchObject({ code: 'usage' });
  const both = { ...settings, httpKey: '/nowhere/key.pem' };
  await expect(httpListen(both, home)).rejects.toMatchObject({ code: 'path-unreadable' });
  expect(await httpListen({ ...settings, httpPort: 'off' }, home)).toBeUndefined();
});

test('a certificate whose files change is served without a restart, and one that cannot be is named', async () => {
  const folder = await freshFolder();
  const [httpCert, httpKey] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const made = async () => {
    const { cert, key } = await createWebCertificate(['localhost'], Date.now());
    await Promise.all([writeFile(httpCert, cert), writeFile(httpKey, key)]);
    return new X509Certificate(cert).fingerprint256;
  };
  const first = await made();
  const api = await openApi({ httpCert, httpKey });
  const { certificate } = api.network.server.http;
  const served = async () => (await overTls(api, '/healthz', ['host: localhost'])).fingerprint;
  expect(await served()).toBe(first);

  const second = await made();
  await certificate?.check();
  expect([second === first, await served()]).toEqual([false, second]);
  expect((await api.network.askServer('status'))['certificate']).toMatchObject({ problem: null });

  await writeFile(httpKey, 'no key');
  await certificate?.check();
  expect(await served()).toBe(second);
  const { certificate: told } = await api.network.askServer('status');
  expect(told).toMatchObject({ problem: expect.stringContaining('--http-key') });
  await made();
  await certificate?.check();
  expect(certificate?.problem).toBeUndefined();
});

import { createSecureContext } from 'node:tls';
import { createLogger } from '@filer/program';
import { createWebCertificate } from '@filer/protocol';
import { expect, test } from 'vitest';
import { ServedCertificate } from '../../../apps/ip-server/src/http/served-certificate.ts';

const DAY_MS = 86_400_000;

test('a certificate that ends within two weeks is named, in the log once a day', async () => {
  const made = Date.now();
  const tls = await createWebCertificate(['localhost'], made);
  let now = made;
  const lines: string[] = [];
  const certificate = new ServedCertificate({
    tls,
    load: () => Promise.resolve(tls),
    renew: () => expect.unreachable('it is the same'),
    log: await createLogger({ stream: { write: (line: string) => lines.push(line) } }),
    now: () => now,
  });
  await certificate.check();
  expect([certificate.problem, lines]).toEqual([undefined, []]);

  now = certificate.endsAt - 13 * DAY_MS;
  const until = new Date(certificate.endsAt).toISOString().slice(0, 10);
  await certificate.check();
  await certificate.check();
  expect(certificate.problem).toContain(until);
  expect(lines).toHaveLength(1);
  now += DAY_MS;
  await certificate.check();
  expect(lines).toHaveLength(2);
  now = certificate.endsAt;
  expect(certificate.problem).toMatch(/ended/);
});

test('one that is renewed is served once, and nothing is named any longer', async () => {
  const made = Date.now();
  const [tls, newer] = [
    await createWebCertificate(['localhost'], made - 390 * DAY_MS),
    await createWebCertificate(['localhost'], made),
  ];
  const renewed: unknown[] = [];
  const certificate = new ServedCertificate({
    tls,
    load: () => Promise.resolve(newer),
    renew: (given) => renewed.push(given),
    log: await createLogger({ stream: { write: () => undefined } }),
    now: () => made,
  });
  const { fingerprint } = certificate;
  expect(certificate.problem).toBeDefined();
  await certificate.check();
  await certificate.check();
  expect([certificate.problem, renewed]).toEqual([undefined, [newer]]);
  expect(certificate.fingerprint).not.toBe(fingerprint);
});

test('one that OpenSSL refuses is named, and what is served stays', async () => {
  const made = Date.now();
  const [tls, newer] = [
    await createWebCertificate(['localhost'], made),
    await createWebCertificate(['localhost'], made),
  ];
  const certificate = new ServedCertificate({
    tls,
    load: () => Promise.resolve(newer),
    renew: ({ cert }) => void createSecureContext({ cert, key: tls.key }),
    log: await createLogger({ stream: { write: () => undefined } }),
    now: () => made,
  });
  const { fingerprint } = certificate;
  await certificate.check();
  expect(certificate.problem).toMatch(/key values mismatch/i);
  expect(certificate.fingerprint).toBe(fingerprint);
});

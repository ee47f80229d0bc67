import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openStore } from '../../../apps/ip-server/src/store/store.ts';
import { DatabaseProxy } from '../../support/database-proxy.ts';
import { needs } from '../../support/needs.ts';
import { PostgresCluster } from '../../support/postgres-cluster.ts';
import { PaperNetwork } from '../members.ts';

/** Long enough for a busy machine to answer. */
const ANSWER_MS = 1_500;

describe.skipIf(needs.postgres())('the network to a database', () => {
  let cluster: PostgresCluster;
  beforeAll(async () => void (cluster = await PostgresCluster.start()));
  afterAll(() => cluster[Symbol.asyncDispose]());

  async function behindProxy() {
    const address = await cluster.freshDatabase();
    const proxy = await DatabaseProxy.to(address);
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const store = await openStore(proxy.address, { answerMs: ANSWER_MS });
    onTestFinished(() => store.close());
    return { store, proxy, address };
  }

  test.each([
    ['cut', 41],
    ['silence', 10],
  ] as const)('that fails (%s) is one wait for all who wait for the database', async (how, most) => {
    const { store, proxy } = await behindProxy();
    const { registry } = store;
    await Promise.all(Array.from({ length: 20 }, () => registry.seq()));
    proxy[how]();
    const { count } = proxy;
    const asked = Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? registry.seq() : registry.beginRun(n)));
    const outcomes = await Promise.allSettled(asked);
    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'timed-out' } });
    // As many as may ask at once, and one to see whether it is back.
    expect(proxy.count - count).toBeLessThan(most);
    proxy.passes();
    await expect.poll(() => registry.seq().catch(() => undefined)).toEqual(expect.any(Number));
  });

  test('that has forgotten its connections is noticed by one that only listens, and by all that are idle at once', async () => {
    const { store, proxy, address } = await behindProxy();
    const { servers, registry } = store;
    const other = await openStore(address);
    onTestFinished(() => other.close());
    const news: string[] = [];
    let said = '';
    const listening = servers?.listen(() => news.push(said));
    onTestFinished(() => listening?.[Symbol.asyncDispose]());
    await expect.poll(() => news.length).toBeGreaterThan(0);
    await Promise.all(Array.from({ length: 20 }, () => registry.seq()));
    proxy.forget();
    await expect(registry.seq()).rejects.toMatchObject({ code: 'timed-out' });
    await expect.poll(() => registry.seq().catch(() => undefined)).toEqual(expect.any(Number));
    // It is heard again what others say.
    said = 'after it';
    await expect
      .poll(async () => {
        await other.registry.beginRun(0);
        return news.at(-1);
      })
      .toBe('after it');
  });

  test('on which the answer to a commit is lost: what was stored is there once, whoever is asked again', async () => {
    const { store, proxy, address } = await behindProxy();
    const other = await openStore(address);
    onTestFinished(() => other.close());
    const network = new PaperNetwork();
    await store.registry.addInvite(network.invite.grant);
    const membership = network.membership('nas');
    const admission = { membership, countsUse: true, now: 1_500_000 };
    proxy.loseAnswerTo('COMMIT');
    await expect(store.registry.admit(admission)).rejects.toMatchObject({ code: 'timed-out' });
    proxy.passes();
    expect((await other.registry.members()).map((each) => each.membership)).toEqual([membership]);
    expect(await other.registry.admit(admission)).toMatchObject({ member: { membership } });
    expect(await other.registry.invite(membership.invite)).toMatchObject({ used: 1 });
  });
});

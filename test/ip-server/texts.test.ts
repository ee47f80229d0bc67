import { signText } from '@filer/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RunningServer } from '../support/ip-server.ts';
import { TestMember } from '../support/test-member.ts';

describe('broadcasts', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await RunningServer.start();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('a text reaches everyone of its target who is online, but its sender, and says who was not', async () => {
    const lab = await server.invite('--group', 'lab', '--uses', '3');
    await using anna = await (await TestMember.join(lab, 'anna')).connect();
    await using ben = await (await TestMember.join(lab, 'ben')).connect();
    await TestMember.join(lab, 'carl');
    await using dora = await (await TestMember.join(await server.invite(), 'dora')).connect();

    expect(await anna.broadcast('to the lab', '@lab')).toEqual({ reached: 1, offline: 1 });
    expect(await anna.broadcast('to all')).toMatchObject({ reached: 2 });
    await ben.until(() => ben.texts.length === 2);
    await dora.until(() => dora.texts.length === 1);
    expect(ben.texts.map(({ text }) => text)).toEqual(['to the lab', 'to all']);
    expect(dora.texts[0]).toMatchObject({ from: anna.member.id, to: '@all', text: 'to all' });
    expect(anna.texts).toEqual([]);
  });

  test('a text of the server is signed by it and taken as typed', async () => {
    await using eva = await (await TestMember.join(await server.invite(), 'eva')).connect();
    const { code } = await server.run('broadcast', '007');
    await eva.until(() => eva.texts.length === 1);

    expect(code).toBe(0);
    expect(eva.texts[0]).toMatchObject({ from: server.id, to: '@all', text: '007' });
  });

  test("another's text, a changed one, a replayed one and an old one are refused", async () => {
    const link = await server.invite('--uses', '2');
    await using fred = await (await TestMember.join(link, 'fred')).connect();
    const gina = await TestMember.join(link, 'gina');
    const content = { network: gina.network, to: '@all', time: Date.now(), text: 'hello' };
    const own = signText(fred.member.identity, content);
    await fred.send(own);

    await expect(fred.send(own)).rejects.toMatchObject({ code: 'refused' });
    await expect(fred.send(signText(gina.identity, content))).rejects.toMatchObject({ code: 'refused' });
    await expect(fred.send({ ...own, text: 'changed' })).rejects.toMatchObject({
      cause: { code: 'signature-invalid' },
    });
    await expect(fred.broadcast('old', '@all', Date.now() - 25 * 3_600_000)).rejects.toMatchObject({
      code: 'refused',
    });
    await expect(fred.broadcast('nobody', '@attic')).rejects.toMatchObject({
      cause: { code: 'no-such-peer' },
    });
  });

  test('the eleventh broadcast of a minute is refused, and another sender is not', async () => {
    const link = await server.invite('--uses', '2');
    await using hans = await (await TestMember.join(link, 'hans')).connect();
    await using ida = await (await TestMember.join(link, 'ida')).connect();
    for (let number = 1; number <= 10; number++) await hans.broadcast(`number ${number}`);

    await expect(hans.broadcast('one too many')).rejects.toMatchObject({ code: 'rate-limited' });
    await expect(ida.broadcast('mine')).resolves.toBeDefined();
  });
});

import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { UdpEndpoint } from '@filer/protocol';
import {
  type Datagram,
  type DatagramServiceOptions,
  dialDatagrams,
  listenDatagrams,
  MAX_DATAGRAM_BYTES,
  MAX_UNREAD_DATAGRAMS,
  serveDatagrams,
  type Service,
} from '@filer/sockets';
import { failureOf } from '../protocol/outcome.ts';
import { until } from '../protocol/wires.ts';

const ANSWER = { timeoutMs: 10_000 };

/** What the conformance suite asks of datagrams, for one address family. */
export function datagramCases(host: string): void {
  const place: UdpEndpoint = { transport: 'udp', host, port: 0 };
  const at = ({ address }: { address: Service['address'] }): UdpEndpoint => {
    if (!('port' in address)) throw new Error('a datagram service has a port');
    return { transport: 'udp', host, port: address.port };
  };
  const echo = (datagram: Datagram): Promise<void> => datagram.reply(datagram.bytes);
  const open = (options?: DatagramServiceOptions): Promise<Service> => serveDatagrams(place, echo, options);

  test('a datagram of any size up to the largest comes back whole, an empty one too', async () => {
    const service = await open();
    await using link = await dialDatagrams(at(service));
    for (const bytes of [0, 1, 1_400, MAX_DATAGRAM_BYTES]) {
      await link.send(Buffer.alloc(bytes, 'x'));
      expect(await link.receive(ANSWER)).toHaveLength(bytes);
    }
    await service.close();
    expect(service.served).toBe(4);
  });

  test('a datagram above the largest is refused before it is sent', async () => {
    const service = await open();
    await using link = await dialDatagrams(at(service));
    const error = await failureOf(link.send(Buffer.alloc(MAX_DATAGRAM_BYTES + 1)));
    expect(error.code).toBe('too-large');
    expect(error.message).toContain('at most 65507 bytes, not 65508');
    await service.close();
  });

  test('a datagram above the limit of the service is dropped and told to the log', async () => {
    const refused: string[] = [];
    const service = await open({ maxDatagramBytes: 10, onRefused: (_, why) => refused.push(why) });
    await using link = await dialDatagrams(at(service));
    await link.send('x'.repeat(11));
    await link.send('x'.repeat(10));
    expect(await link.receive(ANSWER)).toHaveLength(10);
    expect(refused).toEqual(['a datagram of 11 bytes is too large']);
    await service.close();
  });

  test('1,000 senders each get their own answer', async () => {
    const service = await open();
    const answers = new Set<string>();
    for (let first = 0; first < 1_000; first += 50) {
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          await using link = await dialDatagrams(at(service));
          await link.send(`sender ${first + index}`);
          answers.add((await link.receive(ANSWER)).toString());
        }),
      );
    }
    expect(answers.size).toBe(1_000);
    expect(answers).toContain('sender 999');
    await service.close();
  });

  test('a sender that vanishes harms no one else', async () => {
    const service = await open();
    const gone = await dialDatagrams(at(service));
    await gone.send('no one waits for the answer');
    await gone.close();
    await using link = await dialDatagrams(at(service));
    await link.send('still there?');
    expect((await link.receive(ANSWER)).toString()).toBe('still there?');
    await service.close();
  });

  test('a receiver that never reads keeps so many and counts what it dropped', async () => {
    const listener = await listenDatagrams(place, { onDatagram: (datagram) => void datagram.reply('first') });
    await using link = await dialDatagrams(at(listener));
    await link.send('');
    expect((await link.receive(ANSWER)).toString()).toBe('first');
    for (let index = 0; link.dropped === 0; index++) {
      await listener.send(String(index), link.address);
      await turn();
    }
    for (let index = 0; index < MAX_UNREAD_DATAGRAMS; index++) {
      expect(Number((await link.receive(ANSWER)).toString())).toBeGreaterThanOrEqual(index);
    }
    await listener.close();
  });

  test('closing twice ends the iteration, frees the place, and fails what is sent after', async () => {
    const service = await open();
    const link = await dialDatagrams(at(service));
    await link.send('one');
    const received: string[] = [];
    for await (const bytes of link) {
      received.push(bytes.toString());
      void link.close();
    }
    expect(received).toEqual(['one']);
    await Promise.all([link.close(), link.close()]);
    expect((await failureOf(link.send('late'))).code).toBe('connection-closed');
    expect((await failureOf(link.receive())).code).toBe('connection-closed');
    const where = at(service);
    await Promise.all([service.close(), service.close()]);
    const again = await serveDatagrams(where, echo);
    expect(again.address).toEqual({ host, port: where.port });
    await again.close();
  });

  test('two services at one place are told to choose another', async () => {
    const service = await open();
    const error = await failureOf(serveDatagrams(at(service), echo));
    expect(error.code).toBe('port-in-use');
    await service.close();
  });

  test('a name that does not exist is an error of ours, when listening and when dialling', async () => {
    const nowhere: UdpEndpoint = { transport: 'udp', host: 'none.invalid', port: 9 };
    expect((await failureOf(serveDatagrams(nowhere, echo))).code).toBe('address-unusable');
    expect((await failureOf(dialDatagrams(nowhere))).message).toMatch(/^cannot connect to none\.invalid:9: /);
  });

  test('a place where nothing listens is told at the first answer that does not come', async () => {
    const service = await open();
    const where = at(service);
    await service.close();
    await using link = await dialDatagrams(where);
    await link.send('anybody?');
    const error = await failureOf(link.receive(ANSWER));
    expect(error.code).toBe('connect-failed');
    expect(error.message).toContain('nothing listens there');
  });

  test('an opening or a wait that is aborted ends with the reason, one without an answer in time', async () => {
    const reason = new Error('the user changed their mind');
    const aborted = { signal: AbortSignal.abort(reason) };
    await expect(serveDatagrams(place, echo, aborted)).rejects.toBe(reason);
    await expect(dialDatagrams({ ...place, port: 9 }, aborted)).rejects.toBe(reason);
    const controller = new AbortController();
    const opening = listenDatagrams(
      { ...place, host: 'localhost' },
      {
        onDatagram: () => undefined,
        signal: controller.signal,
      },
    );
    controller.abort(reason);
    await expect(opening).rejects.toBe(reason);

    const deaf = await listenDatagrams(place, { onDatagram: () => undefined });
    await using link = await dialDatagrams(at(deaf));
    await link.send('?');
    expect((await failureOf(link.receive({ timeoutMs: 1 }))).code).toBe('timed-out');
    await expect(link.receive(aborted)).rejects.toBe(reason);
    const waiting = new AbortController();
    const wait = link.receive({ signal: waiting.signal });
    waiting.abort(reason);
    await expect(wait).rejects.toBe(reason);
    await deaf.close();
  });

  test('only so many are handled at once, the rest wait in order and are dropped beyond', async () => {
    const { promise: gate, resolve: openGate } = Promise.withResolvers<void>();
    const begun: string[] = [];
    const refused: string[] = [];
    const service = await serveDatagrams(
      place,
      async ({ bytes }) => {
        begun.push(bytes.toString());
        await gate;
      },
      { maxServed: 2, maxWaiting: 3, onRefused: (_, why) => refused.push(why) },
    );
    await using link = await dialDatagrams(at(service));
    for (let index = 0; index < 7; index++) await link.send(String(index));
    await until(() => refused.length === 2);
    expect([service.serving, service.waiting, service.refused]).toEqual([2, 3, 2]);
    openGate();
    await until(() => service.served === 5);
    expect(begun).toEqual(['0', '1', '2', '3', '4']);
    expect(refused[0]).toBe('2 requests are served and 3 wait already');
    await service.close();
  });
}

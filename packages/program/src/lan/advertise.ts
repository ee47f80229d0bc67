import { isIPv4 } from 'node:net';
import multicastDns, { type ResponseOutgoingPacket } from 'multicast-dns';
import { MAX_LABEL_BYTES, SERVICE, type MulticastOptions } from './service.ts';

/** Answers of one machine to a question that is asked again and again (RFC 6762, section 6), in ms. */
const ANSWER_EVERY_MS = 1_000;

/** Names of hosts live shorter than those of services (RFC 6762, section 10), in s. */
const HOST_TTL = 120;
const SERVICE_TTL = 4_500;

export interface Advertised {
  /** What people see: the name of the machine. */
  readonly name: string;
  readonly id: string;
  readonly port: number;
  /** IP addresses of this machine. */
  readonly addresses: readonly string[];
}

export interface Advertiser {
  /** Says goodbye and ends. Never rejects. */
  close(): Promise<void>;
}

/** Answers those who look for ip-servers on the local network. @param onProblem told what does not work */
export function advertiseOnLan(
  advertised: Advertised,
  onProblem: (error: Error) => void,
  options: MulticastOptions = {},
): Advertiser {
  const mdns = multicastDns(options);
  const names = new Set([SERVICE, instanceOf(advertised).toLowerCase()]);
  let answeredAt = -Infinity;
  mdns.on('error', onProblem);
  mdns.on('warning', () => undefined); // a packet that cannot be read is somebody else's
  mdns.on('query', ({ questions = [] }) => {
    const now = performance.now();
    if (!questions.some(({ name }) => names.has(name.toLowerCase()))) return;
    if (now - answeredAt < ANSWER_EVERY_MS) return;
    answeredAt = now;
    mdns.respond(answer(advertised));
  });
  mdns.on('ready', () => mdns.respond(answer(advertised)));
  return {
    close: () =>
      new Promise((resolve) => {
        mdns.respond(answer(advertised, 0), () => mdns.destroy(resolve));
      }),
  };
}

function instanceOf({ name, id }: Advertised): string {
  const label = `${name} ${id.slice(0, 8)}`;
  return `${label.replaceAll('.', '-').slice(0, MAX_LABEL_BYTES)}.${SERVICE}`;
}

function answer(advertised: Advertised, ttl?: number): ResponseOutgoingPacket {
  const { id, port, addresses } = advertised;
  const instance = instanceOf(advertised);
  const target = `filer-${id.slice(0, 12).toLowerCase()}.local`;
  const [service, host] = [ttl ?? SERVICE_TTL, ttl ?? HOST_TTL];
  return {
    answers: [{ name: SERVICE, type: 'PTR', ttl: service, data: instance }],
    additionals: [
      { name: instance, type: 'SRV', ttl: host, data: { port, target } },
      { name: instance, type: 'TXT', ttl: service, data: [Buffer.from(`id=${id}`)] },
      ...addresses.map((data) => ({
        name: target,
        type: isIPv4(data) ? ('A' as const) : ('AAAA' as const),
        ttl: host,
        data,
      })),
    ],
  };
}

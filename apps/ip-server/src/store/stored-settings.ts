import { fieldsOf, integerOf, listOf, textOf } from '@filer/protocol';
import type { Founding, ListenedAt, Run } from './registry.ts';

export function parseFounding(value: unknown): Founding {
  const fields = fieldsOf(value, 'founding');
  return {
    network: textOf(fields['network'], 'network'),
    networkKey: textOf(fields['networkKey'], 'networkKey'),
    server: textOf(fields['server'], 'server'),
  };
}

export function parseListenedAt(value: unknown): ListenedAt {
  const fields = fieldsOf(value, 'listenedAt');
  return {
    host: textOf(fields['host'], 'host'),
    port: integerOf(fields['port'], 'port', 0, 65_535),
    advertise: listOf(fields['advertise'], 'advertise', 64, textOf),
  };
}

/** @throws FilerError `message-malformed` */
export function parseRuns(value: unknown): Run[] {
  return listOf(value, 'runs', 1_000, (each, what) => {
    const fields = fieldsOf(each, what);
    return { from: integerOf(fields['from'], 'from'), to: integerOf(fields['to'], 'to') };
  });
}

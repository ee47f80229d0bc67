import { serversOf } from '@filer/protocol';
import { iso } from '@filer/program';
import type { AdminApi } from './admin-api.ts';
import type { MessageEntry } from './contract/machines.ts';

/** So many of the newest, oldest first. */
export async function messageEntries(
  { messages, directory, founding, servers }: AdminApi,
  limit: number,
): Promise<MessageEntry[]> {
  const list = await servers?.list();
  const isServer = (id: string): boolean =>
    id === founding.server || (list !== undefined && serversOf(list).some((each) => each.id === id));
  return (await messages.last(limit)).map(({ time, from, ...rest }) => ({
    ...rest,
    time: iso(time),
    from: isServer(from) ? null : (directory.get(from)?.membership.name ?? from),
    fromId: from,
  }));
}

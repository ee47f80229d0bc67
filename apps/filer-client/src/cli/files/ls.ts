import { FilerError } from '@filer/protocol';
import {
  formatAgo,
  formatBytes,
  printable,
  renderTable,
  required,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { LsItem } from '../../api/contract/get.ts';
import { timeoutMs } from '../arguments.ts';

export const args = {
  source: required(
    textKind('PEER or PEER:SHARE/path', { completes: 'shared' }),
    'the peer, or a path in one of its shares',
  ),
  timeoutMs,
};

export const examples = ['ls bob', 'ls bob:docs/2026'];

export async function run(
  { source, timeoutMs }: ArgumentValues<typeof args>,
  context: Context,
): Promise<void> {
  const { output } = context;
  const entries: LsItem[] = [];
  const { peer, id, path, leftOut } = await call(context, contract.ls, { source, timeoutMs }, ({ items }) => {
    for (const each of items) entries.push(each);
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  output.json({ peer, id, path, entries, leftOut });
  if (entries.length === 0) {
    output.words(path === '' ? `${peer} offers nothing to this machine` : `${printable(path)} is empty`);
    return;
  }
  const now = Date.now();
  output.line(
    renderTable(
      [
        { title: 'SIZE', fit: 'whole', align: 'right' },
        { title: 'CHANGED', fit: 'whole' },
        { title: 'NAME', fit: 'whole' },
      ],
      entries.map(({ name, kind, size, mtime }) => [
        size === null ? kind : formatBytes(size),
        mtime === null ? '' : formatAgo(Date.parse(mtime), now),
        `${name}${SUFFIXES[kind]}`,
      ]),
      output.columns,
    ),
  );
  if (leftOut !== null) throw new FilerError('partial', leftOut);
}

const SUFFIXES: Readonly<Record<LsItem['kind'], string>> = {
  share: '/',
  dir: '/',
  file: '',
  link: '@',
  other: '',
};

/*
 * Writes the tables of docs/protocol.md from the message table: `npm run docs`. Between a marker and its end stand
 *
 *   <!-- messages: table -->     all messages
 *   <!-- message: NAME -->       the fields of one message
 *   <!-- messages: fields -->    those of all messages that have no marker of their own
 *
 * with the example of the declaration, where it has one,
 *   <!-- end -->
 */
import { readFile, writeFile } from 'node:fs/promises';
import { encodeFrame, messageTypes, type MessageType } from '@filer/protocol';

const PAGE = new URL('../docs/protocol.md', import.meta.url);
const BLOCK = /^<!-- (messages?): (\S+) -->$[^]*?^<!-- end -->$/gm;

/** @returns the page with all that stands between markers written again */
export function withTables(page: string): string {
  const types = messageTypes().toSorted((a, b) => (a.type < b.type ? -1 : 1));
  const placed = new Set([...page.matchAll(BLOCK)].map(([, kind, name]) => (kind === 'message' ? name : '')));
  return page.replaceAll(BLOCK, (_, kind: string, name: string) => {
    const wanted = name === 'fields' ? types.filter(({ type }) => !placed.has(type)) : types;
    const written =
      kind === 'message'
        ? types.filter(({ type }) => type === name).map(fieldsOf)
        : name === 'table'
          ? [overview(types)]
          : wanted.map((each) => `### \`${each.type}\`\n\n${fieldsOf(each)}`);
    if (written.length === 0 && name !== 'fields')
      throw new Error(`docs/protocol.md has a marker for ${name}, which is not declared`);
    return [`<!-- ${kind}: ${name} -->`, ...written, '<!-- end -->'].join('\n\n');
  });
}

function overview(types: readonly MessageType[]): string {
  return tableOf(
    ['message', 'from', 'to', 'connection', '`id`', 'answer', 'required keys'],
    types.map((each) => {
      const across = (of: 'from' | 'to' | 'on'): string =>
        [...new Set(each.routes.map((route) => route[of]))].join(', ');
      const required = rowsOf(each).filter(({ presence }) => presence === 'required');
      return [
        `\`${each.type}\``,
        across('from'),
        across('to'),
        across('on'),
        each.answers.length === 0 ? '' : each.idOptional ? 'optional' : 'yes',
        each.answers.map((type) => `\`${type}\``).join(', '),
        required.map(({ key }) => `\`${key}\``).join(', '),
      ];
    }),
  );
}

function fieldsOf(type: MessageType): string {
  const rows = rowsOf(type).map(({ key, type: kind, presence, limit }) => [
    `\`${key}\``,
    kind,
    presence,
    limit,
  ]);
  const { content } = type;
  if (content !== undefined) {
    const [, shape = content.shape, mayBeEmpty] = /^(.*?)(, or empty)?$/.exec(content.shape) ?? [];
    rows.push(['content', shape, mayBeEmpty === undefined ? 'required' : 'may be empty', content.limit]);
  }
  const table =
    rows.length === 0
      ? 'No key but `type`, no content.'
      : tableOf(['key', 'type', 'presence', 'limit'], rows);
  return [table, ...exampleOf(type)].join('\n\n');
}

function exampleOf({ type, example, answers }: MessageType): string[] {
  if (example === undefined) return [];
  const { content } = example;
  const header = answers.length > 0 ? { id: '1', ...example.header } : example.header;
  const frame = encodeFrame(header, content).toString('hex');
  const [lengths, bytes] = [frame.slice(0, 16), frame.slice(16)];
  return [
    [
      `\`\`\`frame ${type}`,
      `header ${JSON.stringify(header)}`,
      ...(content.length === 0 ? [] : [`content ${content.toString('utf8')}`]),
      `${lengths.slice(0, 8)} ${lengths.slice(8)}`,
      ...(bytes.match(/.{1,94}/g) ?? []),
      '```',
    ].join('\n'),
  ];
}

function rowsOf(type: MessageType): { key: string; type: string; presence: string; limit: string }[] {
  const rows = type.fields.flatMap(([key, field]) => field.rows(key));
  const hasId = rows.some(({ key }) => key === 'id');
  const hasRe = rows.some(({ key }) => key === 're');
  const isAnswer = messageTypes().some(({ answers }) => answers.includes(type.type));
  const text = { type: 'text', limit: '64 UTF-16 units' };
  return [
    ...(type.answers.length > 0 && !hasId
      ? [{ key: 'id', presence: type.idOptional ? 'optional' : 'required', ...text }]
      : []),
    ...(isAnswer && !hasRe && type.answers.length === 0
      ? [{ key: 're', presence: 'in an answer', ...text }]
      : []),
    ...rows,
  ];
}

/** Padded as the formatter does it. */
function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const escaped = [heads, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = heads.map((_, column) => Math.max(...escaped.map((row) => (row[column] ?? '').length), 3));
  const lines = escaped.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

if (import.meta.main) await writeFile(PAGE, withTables(await readFile(PAGE, 'utf8')));

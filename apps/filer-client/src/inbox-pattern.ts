import { customKind, type Kind } from '@filer/program';
import { parseSafePath } from '@filer/transfer';

/** Where in the inbox the files of a sender go: a folder, `{peer}` and `{date}` in it filled in. */
export const INBOX_PATTERN: Kind<string> = customKind(
  'a folder inside the inbox such as {peer} or {peer}/{date}',
  (text) => {
    const example = fillPattern(text, 'peer', new Date(0));
    if (/[{}]/.test(example)) throw new RangeError('something else in braces');
    parseSafePath(example);
    return text;
  },
);

/**
 * @param peer the sender's name
 * @param at whose day counts, by this machine's clock and zone
 * @returns a path relative to the inbox
 */
export function fillPattern(pattern: string, peer: string, at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return pattern.replaceAll('{peer}', peer).replaceAll('{date}', date);
}

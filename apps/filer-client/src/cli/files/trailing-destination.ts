import { FilerError } from '@filer/protocol';
import type { GivenArguments } from '@filer/program';

/**
 * `get bob:docs/a carol:x folder`: what stands last and is no `PEER:…` is the destination. A destination with a colon before its
 * first slash is written `./a:b`.
 *
 * @throws FilerError `usage`
 */
export function withTrailingDestination(given: GivenArguments): GivenArguments {
  const { label = '', texts = [] } = given.get('sources') ?? {};
  const last = texts.at(-1);
  const misplaced = texts.slice(0, -1).find((text) => !isSource(text));
  if (misplaced !== undefined)
    throw new FilerError(
      'usage',
      `${JSON.stringify(misplaced)} is no PEER:SHARE/path, and a destination comes last: get bob:docs/a carol:b FOLDER`,
    );
  if (last === undefined || texts.length < 2 || isSource(last)) return given;
  return new Map(given)
    .set('sources', { label, texts: texts.slice(0, -1) })
    .set('dest', { label: 'DEST', texts: [last] });
}

function isSource(text: string): boolean {
  return /^[^/:]+:/.test(text);
}

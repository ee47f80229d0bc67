import { isUtf8 } from 'node:buffer';
import { readlinkSync } from 'node:fs';
import { FilerError } from '@filer/protocol';

/** PATH_MAX less its NUL: what a link can hold on Linux, in bytes of UTF-8. */
const MAX_TARGET_BYTES = 4_095;

const OUTSIDE = 'points outside what is sent: send what it leads to by its own path';

/**
 * Where a link points to, as it stands in it.
 *
 * @param file how a person knows it
 * @throws FilerError `path-unsupported` when it is not UTF-8: as text it would be another target; a system error
 */
export function readLinkTarget(path: string, file: string): string {
  const target = readlinkSync(path, 'buffer');
  if (isUtf8(target)) return target.toString();
  throw new FilerError(
    'path-unsupported',
    `the link ${JSON.stringify(file.toWellFormed())} points to a name that is not UTF-8: rename what it leads to`,
  );
}

/**
 * Whether a symbolic link may travel: its target stays below the first folder of the link's own path, whatever
 * other links of the same rule it leads through. That is why `..` stands only at the beginning: after a name that
 * is itself a link it would climb from somewhere else than the letters say.
 *
 * @param components of the link's own path
 * @throws FilerError `name-refused`
 */
export function checkLinkTarget(components: readonly string[], target: string): void {
  const refuse = (why: string): never => {
    const link = JSON.stringify(components.join('/').toWellFormed());
    const shown = JSON.stringify(target.slice(0, 200).toWellFormed());
    throw new FilerError('name-refused', `the link ${link} to ${shown} is refused: it ${why}`);
  };
  if (target === '') refuse('points nowhere');
  if (!target.isWellFormed()) refuse('is ill-formed Unicode');
  if (target.includes('\0')) refuse('holds a NUL character');
  if (Buffer.byteLength(target) > MAX_TARGET_BYTES) refuse(`is longer than ${MAX_TARGET_BYTES} bytes`);
  if (target.startsWith('/')) refuse(`is absolute, and ${OUTSIDE}`);
  // Between the link and the first folder of its path.
  let mayClimb = components.length - 2;
  if (mayClimb < 0) refuse('is not in a folder that is sent with it');
  let descended = false;
  for (const component of target.split('/')) {
    if (component === '' || component === '.') continue;
    if (component !== '..') descended = true;
    else if (descended) refuse('climbs after it descended, so that where it leads cannot be told');
    else if (--mayClimb < 0) refuse(OUTSIDE);
  }
  if (process.platform === 'win32' && /[\\:]/.test(target)) refuse('holds a character that Windows forbids');
}

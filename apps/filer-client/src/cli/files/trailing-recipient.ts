import { existsSync } from 'node:fs';
import { FilerError } from '@filer/protocol';
import type { GivenArguments } from '@filer/program';

/*
 * `send a b bob:` and `send a @lab:folder/`, as rsync and Tailscale have it. What has a colon before its first slash names a
 * recipient; a local path that does is written `./bob:`. With --to every path is a local one.
 */

/** Turns the recipient at the end into `--to`, and its folder into `--into`. @throws FilerError `usage` */
export function withTrailingRecipient(given: GivenArguments): GivenArguments {
  const { label = '', texts = [] } = given.get('paths') ?? {};
  const last = texts.at(-1);
  if (given.has('to') || last === undefined) return given;
  const recipient = recipientIn(last);
  if (recipient === undefined)
    throw usage(
      '--to is missing, it takes a name, an id, @group or @all; or end with the recipient and a colon: send FILE bob:',
    );
  const [to, folder] = recipient;
  const several = recipientsIn(last);
  if (several !== undefined)
    throw usage(`recipients stand together before one colon: send FILE ${several.join(',')}:`);
  if (texts.length === 1) throw usage(`say what to send: send FILE ${last}`);
  const expanded = new Map(given)
    .set('paths', { label, texts: texts.slice(0, -1) })
    .set('to', { label: '--to', texts: [to] });
  if (folder === '') return expanded;
  if (given.has('into')) throw usage(`give the folder once: ${last}, or ${to}: with --into`);
  return expanded.set('into', { label: '--into', texts: [folder] });
}

/** Words that were meant as recipients and are taken for files. @throws FilerError `usage` */
export function refuseMisplacedRecipients(paths: readonly string[]): void {
  for (const path of paths) {
    if (recipientIn(path) === undefined || !/^@|:$/.test(path) || existsSync(path)) continue;
    throw usage(
      `there is no file ${JSON.stringify(path)}, and a recipient stands last, without --to: send FILE bob,carol:`,
    );
  }
}

/** @returns recipients, and a folder there (empty for none); undefined for a local path */
function recipientIn(text: string): [string, string] | undefined {
  const [, to, folder] = /^([^/:]+):(.*)$/s.exec(text) ?? [];
  if (to === undefined || folder === undefined) return undefined;
  if (/^[/~]/.test(folder))
    throw usage(`${JSON.stringify(text)}: the folder is one below what the recipient receives: ${to}:photos`);
  return [to, folder.replace(/\/+$/, '')];
}

/** `bob:,carol:`, which would be a folder `,carol:` of bob. */
function recipientsIn(text: string): string[] | undefined {
  return /^[^/:,]+:(?:,[^/:,]+:?)+$/.test(text)
    ? text.split(',').map((each) => each.replace(/:$/, ''))
    : undefined;
}

function usage(message: string): FilerError {
  return new FilerError('usage', message);
}

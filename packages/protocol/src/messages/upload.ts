/*
 * Files for the server. They go over a connection of their own (`purpose: transfer`), whose first message says what
 * for; after `ok` the dialler is the sender of a transfer, and its `offer` follows.
 */
import type { Message } from '../header.ts';
import { MAX_COLLECT_PATHS, MAX_COLLECT_PATHS_BYTES } from '../limits.ts';
import { json } from './content.ts';
import { message, type Parsed } from './declaration.ts';
import { integer, text } from './field.ts';
import { fieldsOf, listOf, textOf } from './json.ts';
import { okMessage } from './ok.ts';
import { SPOOL_PATTERN, storedMessage } from './report.ts';
import { serverToClient, uploaderToServer } from './route.ts';

const run = text({ pattern: /^[A-Za-z0-9_-]{1,64}$/ });
const MAX_GLOB_CHARS = 4_096;

/** The attachments of that report follow, which itself is sent after their receipts. */
export const attachMessage = message({
  type: 'attach',
  routes: [uploaderToServer],
  header: { spool: text({ pattern: SPOOL_PATTERN }), seq: integer() },
  answers: [okMessage, storedMessage],
});

/** What that run of a collect asked for follows. */
export const deliverMessage = message({
  type: 'deliver',
  routes: [uploaderToServer],
  header: { run },
  answers: [okMessage],
});

/** What a run of a collect asks a machine for: please deliver. */
export const collectMessage = message({
  type: 'collect',
  routes: [serverToClient],
  header: { run },
  content: json({
    shape: '{ name, paths }',
    maxBytes: MAX_COLLECT_PATHS_BYTES,
    read: (value, what) => {
      const fields = fieldsOf(value, what);
      return {
        /** What its owner calls the collect. */
        name: textOf(fields['name'], 'name', { max: 64 }),
        /** Globs over `SHARE/path/below`; not judged here. */
        paths: listOf(fields['paths'], 'paths', MAX_COLLECT_PATHS, (path, each) =>
          textOf(path, each, { max: MAX_GLOB_CHARS }),
        ),
      };
    },
    write: ({ name, paths }: { readonly name: string; readonly paths: readonly string[] }) => ({
      name,
      paths,
    }),
  }),
  answers: [okMessage],
});
export type CollectAsked = Parsed<typeof collectMessage>;

export const { parse: parseAttach, format: formatAttach } = attachMessage;
export const { parse: parseCollect, format: formatCollect } = collectMessage;

/** @param id the run's */
export function formatDeliver(id: string): Message {
  return deliverMessage.format({ run: id });
}

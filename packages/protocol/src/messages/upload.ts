/*
 * Files for the server. They go over a connection of their own (`purpose: transfer`), whose first message says what
 * for; after `ok` the dialler is the sender of a transfer, and its `offer` follows.
 *
 *   attach   daemon → server   id; spool, seq: the attachments of that report, which itself is sent after their receipts
 *   deliver  daemon → server   id; run: what that run of a collect asked for
 *   collect  server → daemon   over the daemon's live session: id; run; content JSON { name, paths }: please deliver.
 *                              A path is a glob over `SHARE/path/below`. Answered `ok`, or an error: `path-missing`
 *                              when nothing of it is shared with the server
 */
import type { Message } from '../header.ts';
import { requireInteger, requireText } from '../header.ts';
import { MAX_COLLECT_PATHS, MAX_COLLECT_PATHS_BYTES } from '../limits.ts';
import { fieldsOf, formatJson, listOf, parseJson, textOf } from './json.ts';
import { expectType } from './session.ts';
import { SPOOL_PATTERN, type ReportKey } from './report.ts';

/** A run's id as it travels. */
const RUN = /^[A-Za-z0-9_-]{1,64}$/;
const MAX_GLOB_CHARS = 4_096;

export function formatAttach({ spool, seq }: ReportKey): Message {
  return { header: { type: 'attach', spool, seq: String(seq) }, content: Buffer.alloc(0) };
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseAttach({ header }: Message): ReportKey {
  expectType(header, 'attach');
  return {
    spool: textOf(requireText(header, 'spool'), 'spool', { pattern: SPOOL_PATTERN }),
    seq: requireInteger(header, 'seq'),
  };
}

export function formatDeliver(run: string): Message {
  return { header: { type: 'deliver', run }, content: Buffer.alloc(0) };
}

/** @returns the run's id. @throws FilerError `message-malformed`, `unexpected-message` */
export function parseDeliver({ header }: Message): string {
  expectType(header, 'deliver');
  return runOf(header);
}

/** What a run of a collect asks a machine for. */
export interface CollectAsked {
  readonly run: string;
  /** What its owner calls the collect. */
  readonly name: string;
  /** Globs over `SHARE/path/below`; not judged here. */
  readonly paths: readonly string[];
}

export function formatCollect({ run, name, paths }: CollectAsked): Message {
  return { header: { type: 'collect', run }, content: formatJson({ name, paths }) };
}

/** @throws FilerError `message-malformed`, `unexpected-message` */
export function parseCollect({ header, content }: Message): CollectAsked {
  expectType(header, 'collect');
  const fields = fieldsOf(parseJson(content, 'collect', MAX_COLLECT_PATHS_BYTES), 'collect');
  return {
    run: runOf(header),
    name: textOf(fields['name'], 'name', { max: 64 }),
    paths: listOf(fields['paths'], 'paths', MAX_COLLECT_PATHS, (path, what) =>
      textOf(path, what, { max: MAX_GLOB_CHARS }),
    ),
  };
}

function runOf(header: Message['header']): string {
  return textOf(requireText(header, 'run'), 'run', { pattern: RUN });
}

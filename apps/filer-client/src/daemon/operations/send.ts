import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { fieldsOf, FilerError, integerOf, listOf, textOf } from '@filer/protocol';
import { SendJob } from '../../jobs/send-job.ts';
import type { Operation } from '../site.ts';
import { findRecipients } from './recipients.ts';

export type { SendDone } from '../../jobs/send-events.ts';

const MAX_PATHS = 100_000;
const MAX_TARGETS = 10_000;

/** `send PATH… --to TARGET…` */
export const send: Operation = async (site, params, { emit, signal }) => {
  const fields = fieldsOf(params, 'send');
  const paths = listOf(fields['paths'], 'paths', MAX_PATHS, readPath);
  const to = listOf(fields['to'], 'to', MAX_TARGETS, (value, what) => textOf(value, what, { max: 64 }));
  const note = textOf(fields['note'] ?? '', 'note', { max: 4_096 });
  const timeoutMs = integerOf(fields['timeoutMs'], 'timeoutMs');

  const unique = [...new Set(paths)];
  const bytesTotal = await sizeOf(unique);
  const recipients = await findRecipients(site, to, signal);
  const { member, access, software } = site;
  const tell = inOrder(emit);
  const job = new SendJob(
    { paths: unique, recipients, note, timeoutMs, bytesTotal },
    { member, access, software, emit: tell.emit, signal },
  );
  try {
    return await job.run();
  } finally {
    await tell.done();
  }
};

function readPath(value: unknown, what: string): string {
  const path = textOf(value, what, { max: 16_384 });
  if (!isAbsolute(path)) throw new FilerError('usage', `${what} is not an absolute path`);
  return path;
}

/**
 * What lies under the paths now, in bytes. A single path that cannot be sent fails here, before anyone is
 * bothered; among several it fails for itself.
 */
async function sizeOf(paths: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const path of paths) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() === true) bytes += found.size;
  }
  return bytes;
}

/** Hands events on one after the other; a listener that is gone ends the job by its signal, not here. */
function inOrder(emit: (item: unknown) => Promise<void> | void): {
  emit: (item: unknown) => void;
  done: () => Promise<void>;
} {
  let last = Promise.resolve();
  return {
    emit: (item) => {
      last = last.then(() => emit(item)).catch(() => undefined);
    },
    done: () => last,
  };
}

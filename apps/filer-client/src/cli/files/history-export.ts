import { once } from 'node:events';
import { FilerError, nearNames } from '@filer/protocol';
import { csvLine, iso, printable, type Context } from '@filer/program';
import { bothDigests } from '../../verify/both-digests.ts';
import { keptReceipts, type KeptReceipt } from '../../jobs/kept-receipts.ts';
import type { Member } from '../../network/member.ts';
import type { KeptDelivery, KeptJob } from '../../store/job-rows.ts';

const PARTIAL = 8;

const CSV_HEADER = 'job,recipient,recipientId,path,receivedAs,size,digest,synced,present,time,signatureOk';

/**
 * Writes the receipts of a job as a list for other programs. A list of sums names files as they lie here, or with
 * `--recipient` as they lie in that recipient's inbox.
 *
 * @returns the exit code
 */
export async function exportReceipts(
  member: Member,
  job: KeptJob,
  format: 'b3sum' | 'sha256sum' | 'csv',
  recipient: string | undefined,
  context: Context,
): Promise<number> {
  const { output } = context;
  const deliveries = member.jobs.deliveries(job.id);
  const only = recipient === undefined ? undefined : recipientOf(deliveries, recipient, job.id);
  const names = new Map(deliveries.map(({ peer, name }) => [peer, name]));
  const told = new Set<string>();
  let left = 0;
  if (format === 'csv') await write(`${CSV_HEADER}\r\n`, context);
  for (const receipt of keptReceipts(member, job, only?.peer)) {
    const { recipientId } = receipt;
    const name = names.get(recipientId) ?? recipientId;
    if ('spoilt' in receipt || (format !== 'csv' && !receipt.signatureOk)) {
      left++;
      const what = 'spoilt' in receipt ? 'a receipt' : receipt.receivedAs;
      output.warn(`${name}: ${what} is left out: it is not the signed content`);
      continue;
    }
    if (format === 'csv') {
      await write(receiptLine(job.id, name, receipt), context);
      continue;
    }
    const path = only !== undefined ? receipt.receivedAs : receipt.isKeptHere ? receipt.path : receipt.name;
    const key = `${receipt.digest} ${path}`;
    if (told.has(key)) continue;
    told.add(key);
    if (format === 'b3sum') {
      await write(sumLine(receipt.digest.slice('blake3:'.length), path), context);
      continue;
    }
    if (!receipt.isKeptHere) {
      left++;
      output.warn(`${path} is left out: it came from standard input or a page, and cannot be read again`);
      continue;
    }
    const read = await bothDigests(receipt.path, context.signal);
    if (read.blake3 === receipt.digest) await write(sumLine(read.sha256, path), context);
    else {
      left++;
      output.warn(`${receipt.path} is left out: ${read.why ?? 'it has changed since it was sent'}`);
    }
  }
  return left === 0 ? 0 : PARTIAL;
}

function recipientOf(deliveries: readonly KeptDelivery[], typed: string, job: string): KeptDelivery {
  const found = deliveries.find(
    ({ name, peer }) => name === typed.toLowerCase() || peer === typed.toUpperCase(),
  );
  if (found !== undefined) return found;
  const names = deliveries.map(({ name }) => name);
  const near = nearNames(typed.toLowerCase(), names);
  const what = near.length > 0 ? `did you mean ${near.join(' or ')}?` : `it went to ${names.join(', ')}`;
  throw new FilerError('no-such-peer', `job ${job} did not go to ${typed}: ${what}`);
}

/** A line as `b3sum` and `sha256sum` write it, and read it with `--check`. */
function sumLine(digest: string, path: string): string {
  const escaped = path.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return `${escaped === path ? '' : '\\'}${digest}  ${escaped}\n`;
}

function receiptLine(job: string, recipient: string, receipt: KeptReceipt): string {
  const { recipientId, path, receivedAs, size, digest, synced, present, time, signatureOk } = receipt;
  const about = [path, receivedAs, size, digest, synced, present, iso(time), signatureOk];
  return `${csvLine([job, recipient, recipientId, ...about])}\r\n`;
}

/** As it is, for a file or a program; escaped for a terminal. */
async function write(text: string, { stdout, output }: Context): Promise<void> {
  const line = output.dataIsForTerminal ? `${printable(text.trimEnd())}\n` : text;
  if (!stdout.write(line)) await once(stdout, 'drain');
}

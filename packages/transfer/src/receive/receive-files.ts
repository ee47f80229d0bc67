import type { Channel } from '../wire/channel.ts';
import { Receiver, type ReceiveOutcome } from './receiver.ts';
import type { Accepted } from './reception.ts';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DIGEST_BLOCK_BYTES, FilerError, type Offer, type ReceiptFile } from '@filer/protocol';
import { NO_DELIVERIES } from './deliveries.ts';
import { ExistingDigests } from './existing-digests.ts';
import { Extras } from './extras.ts';
import { FreeSpace, noRoom } from '../disk/free-space.ts';
import { IncomingToFolder } from './incoming.ts';
import type { IncomingOwner } from './incoming-owner.ts';
import { keptBytesIn, ResumeStore } from '../disk/resume-store.ts';
import { MovedFiles } from './moved-files.ts';
import { Ownership } from './ownership.ts';
import { DestinationFolder } from '../disk/destination-folder.ts';
import { ExistingFiles } from './existing-files.ts';
import type { ReceiveOptions } from './receive-options.ts';
import { Seeding } from './seeding.ts';
import type { Stage } from './stage.ts';
import { allowanceOf, judgeOffer, type Asker } from './receive-policy.ts';

/**
 * Receives files over a channel whose next message is the offer.
 *
 * What goes wrong, with one file or with all, stands in the outcome; only a bug makes it reject. After an
 * orderly end (a refused offer is one) the channel is still open, and its owner's to close.
 */
export function receiveFiles(channel: Channel, options: ReceiveOptions): Promise<ReceiveOutcome> {
  const { inbox, record, policy, passing } = options;
  return new Receiver(
    channel,
    { ...options, maxEntries: policy?.maxEntries },
    {
      accept: (offer, asker, owner) => takeOffer(offer, options, asker, owner),
      record: (file, { job, note }) => {
        const { entry, path, digest, size } = file;
        passing?.held.placed(entry, join(inbox, path), digest, size, size <= DIGEST_BLOCK_BYTES);
        return record?.({ ...file, job, note, file: join(inbox, path) });
      },
    },
  ).run();
}

/**
 * Judges an offer, and makes all ready for its files.
 *
 * @param asker its signal is aborted when the sender is gone
 * @param owner told the outcome of each file
 * @throws FilerError why the offer is refused
 */
async function takeOffer(
  offer: Offer,
  options: ReceiveOptions,
  asker: Asker,
  owner: IncomingOwner,
): Promise<Accepted> {
  const { inbox, folder: where, senderId, policy = {}, sync = true, space = new FreeSpace(inbox) } = options;
  judgeOffer(offer, policy);
  const stage = await stageOf(offer, options);
  const base = typeof where === 'string' ? where : where(offer);
  const folder = stage === undefined ? base : join(base, stage.hidden);
  const left = await space.left(offer.bytes);
  // What earlier tries left, and what came before, needs no room again: then each file is judged for itself.
  const isTooMuch = offer.bytes > left.bytes && offer.bytes > left.bytes + (await keptBytesIn(inbox));
  const isNew = !existsSync(join(inbox, folder));
  if (isNew && (isTooMuch || offer.files > left.files)) throw noRoom(offer.bytes);
  const allowance = allowanceOf(await policy.accept?.(offer, asker), policy);
  const { onConflict = offer.onConflict ?? 'rename', checksum = offer.checksum ?? false } = options;
  const { known, mark, deliveries = NO_DELIVERIES, replaces = 'own' } = options;
  // What is in a stage came of this very job.
  const rules =
    stage === undefined
      ? { onConflict, deliveries, replaces }
      : ({ onConflict: 'overwrite', deliveries: NO_DELIVERIES, replaces: 'all' } as const);
  // Last: a refused offer leaves no folder behind, and a stage as it was.
  stage?.begin();
  const place = await DestinationFolder.open(inbox, base, sync, stage?.hidden).catch((error: unknown) => {
    stage?.[Symbol.dispose]();
    throw error;
  });
  const parts = new ResumeStore(place, senderId, mark);
  const gone = asker.signal;
  const files = new ExistingDigests({ known, checksum, signal: gone });
  const { job } = offer;
  const beganAt = options.beganAt?.(job);
  const { mirror = false } = offer;
  const ownership = new Ownership({ place, ...rules, job, beganAt, files, mirror });
  const present = new ExistingFiles({ place, ownership, files, known });
  const extras =
    mirror && stage === undefined
      ? new Extras({
          root: place.folder,
          path: folder,
          deliveries,
          files,
          job,
          stands: (path) => ownership.standing(path),
          isAnnounced: (path) => ownership.standing(path) === 'yes',
          sync,
          mark,
          removed: options.removed,
          gone,
        })
      : undefined;
  const seeding =
    stage === undefined
      ? undefined
      : new Seeding({ place, from: join(inbox, base), mayLink: stage.mayLink, space, known });
  const held = options.passing?.held;
  const kept = { place, present, ownership, deliveries, space, allowance, sync, mark, gone };
  const mayCopy = stage === undefined && options.copiesMoved === true && deliveries !== NO_DELIVERIES;
  const moved = mayCopy ? new MovedFiles(kept) : undefined;
  const of = {
    place,
    parts,
    present,
    seeding,
    moved,
    ownership,
    space,
    policy,
    allowance,
    sync,
    mark,
    gone,
    held,
  };
  const incoming = new IncomingToFolder(of, owner);
  const dispose = (): void => {
    extras?.[Symbol.dispose]();
    seeding?.[Symbol.dispose]();
    moved?.[Symbol.dispose]();
    place[Symbol.dispose]();
    stage?.[Symbol.dispose]();
  };
  const seal = stage === undefined ? undefined : () => stage.seal((path) => ownership.standing(path));
  const note = stage === undefined ? undefined : (given: readonly ReceiptFile[]) => stage.note(given);
  return { offer, incoming, extras, seal, note, [Symbol.dispose]: dispose };
}

/** @throws FilerError why nothing is staged */
async function stageOf(offer: Offer, { stage }: ReceiveOptions): Promise<Stage | undefined> {
  if (offer.stage !== true) return undefined;
  if (stage === undefined)
    throw new FilerError('unsupported', 'nothing is staged here: send without --stage');
  // Its room is looked at before it begins.
  if (!offer.complete) throw new FilerError('totals-needed', 'how much is to be staged is to be told first');
  return await stage(offer);
}

export type { Channel } from './channel.ts';
export { sendFiles } from './send-files.ts';
export type { SendEvent } from './send-event.ts';
export type { SendOptions, SendOutcome } from './send-options.ts';
export { receiveFiles } from './receive-files.ts';
export type { ReceiveEvent } from './receive-event.ts';
export type { ReceivedFile, ReceiveOptions } from './receive-options.ts';
export type { ReceiveOutcome } from './receiver.ts';
export type { Deliveries, Delivered } from './deliveries.ts';
export { receiveStream } from './receive-stream.ts';
export { StreamSink } from './stream-sink.ts';
export type { BlockSource, FileSink } from './blocks.ts';
export type { Asker, Cap, ReceivePolicy } from './receive-policy.ts';
export type { FileResult, Outcome } from './outcome.ts';
export { Slots } from './slots.ts';
export { checkLinkTarget, readLinkTarget } from './link-target.ts';
export { SharedFolder } from './shared-folder.ts';
export { listShared } from './list-shared.ts';
export type { Extent, Growing } from './growing.ts';
export { inspectSource, requireSize, type Source, type SourceFile } from './source.ts';
export { guardFolders, isOwn, requireNotOwn, type OwnFolders } from './own-files.ts';
export { copyUpTo } from './copy-file.ts';
export { unsized } from './unsized.ts';
export { walkSources, type WalkOptions } from './walk.ts';
export type { StallOptions } from './stall-watchdog.ts';
export { FreeSpace, type FreeSpaceOptions } from './free-space.ts';
export { signReceipts, verifyReceipts } from './receipts.ts';
export { secondsOf } from './times.ts';
export { RateLimit } from './rate-limit.ts';
export { SharedReads } from './shared-reads.ts';
export { FileDigests } from './digests.ts';
export { isPartName, parseSafePath, PART_PREFIX } from './safe-path.ts';
export { cleanMarkedParts, cleanParts, dropMarkedParts, type CleanOptions } from './clean-parts.ts';
export {
  identityOf,
  versionOf,
  KnownDigests,
  readDigests,
  type DigestShelf,
  type KnownDigest,
} from './known-digests.ts';

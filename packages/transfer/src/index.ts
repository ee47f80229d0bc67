export type { Channel } from './wire/channel.ts';
export { sendFiles } from './send/send-files.ts';
export { previewMirror } from './send/preview-mirror.ts';
export type { SentFolder } from './send/gone-files.ts';
export type { SendEvent } from './send/send-event.ts';
export type { SendOptions, SendOutcome } from './send/send-options.ts';
export { receiveFiles } from './receive/receive-files.ts';
export { tellExtras } from './receive/tell-extras.ts';
export type { ReceiveEvent } from './receive/receive-event.ts';
export type { ReceivedFile, ReceiveOptions } from './receive/receive-options.ts';
export type { ReceiveOutcome } from './receive/receiver.ts';
export type { Deliveries, Delivered, DeliveredAt } from './receive/deliveries.ts';
export { receiveStream } from './receive/receive-stream.ts';
export { StreamSink } from './receive/stream-sink.ts';
export type { BlockSource, FileSink } from './digests/blocks.ts';
export type { Asker, Cap, ReceivePolicy } from './receive/receive-policy.ts';
export type { FileResult, Outcome } from './wire/outcome.ts';
export { TransferSlots } from './wire/transfer-slots.ts';
export { checkLinkTarget, readLinkTarget } from './disk/link-target.ts';
export { SharedFolder } from './send/shared-folder.ts';
export { listShared } from './send/list-shared.ts';
export type { Extent, Growing } from './wire/growing.ts';
export { inspectSource, requireSize, type Source, type SourceFile } from './send/source.ts';
export { guardFolders, isOwn, requireHoldsNoOwn, requireNotOwn, type OwnFolders } from './disk/own-files.ts';
export { copyUpTo } from './disk/copy-file.ts';
export { unsized } from './send/unsized.ts';
export { folderKey, loop, type Links } from './send/links.ts';
export { walkSources, type WalkOptions } from './send/walk.ts';
export type { StallOptions } from './wire/stall-watchdog.ts';
export { FreeSpace, type FreeSpaceOptions, type Space } from './disk/free-space.ts';
export { SpaceShare } from './disk/space-share.ts';
export { signReceipts, verifyReceipts } from './receipts/receipts.ts';
export { verifyRemoved } from './receipts/removed.ts';
export { secondsOf } from './disk/times.ts';
export { lowestOf, RateLimit, type Limit } from './wire/rate-limit.ts';
export { RelayRace, type Via } from './passing/relay-race.ts';
export { KnownRates } from './passing/known-rates.ts';
export { RelayPlan, type RelayMember, type Move } from './passing/relay-plan.ts';
export { HeldBlocks, type RememberedBlocks } from './passing/held-blocks.ts';
export { EarlierHolders } from './passing/earlier-holders.ts';
export { serveBlocks } from './passing/serve-blocks.ts';
export type { ReceiverPassing } from './passing/relayed-streams.ts';
export { SharedReads } from './send/shared-reads.ts';
export type { OpenParallel } from './parallel/further-connections.ts';
export { ParallelSending, type ParallelOptions } from './parallel/parallel-sending.ts';
export { ParallelReceiving } from './parallel/parallel-receiving.ts';
export type { ParallelConnection } from './parallel/outgoing-segments.ts';
export { FileDigests } from './digests/digests.ts';
export { isPartName, isStageName, parseSafePath, PART_PREFIX, STAGE_PREFIX } from './disk/safe-path.ts';
export { Folder } from './disk/folder.ts';
export { removeTree } from './disk/replacing.ts';
export { FolderPath } from './disk/folder-path.ts';
export { ExistingDigests, statsAt } from './receive/existing-digests.ts';
export { linkAt, type Standing } from './receive/ownership.ts';
export { isFolder, contentOfFolder, contentOfLink, LINK } from './receive/deliveries.ts';
export type { Stage } from './receive/stage.ts';
export { signRemoved } from './receipts/removed.ts';
export { canExchange } from './stage/exchange.ts';
export { cannotExchange, hasSwapped, type Switch } from './stage/swap.ts';
export { componentsOf, descend, StagePlaces } from './stage/stage-places.ts';
export { StagedTree, type StagedRemoval } from './stage/staged-tree.ts';
export { tidyStage, type StagedItem } from './stage/tidy-stage.ts';
export { cleanMarkedParts, cleanParts, dropMarkedParts, type CleanOptions } from './disk/clean-parts.ts';
export {
  identityOf,
  versionOf,
  KnownDigests,
  readDigests,
  type DigestShelf,
  type KnownDigest,
} from './digests/known-digests.ts';

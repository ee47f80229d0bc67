export * from './limits.ts';
export * from './errors.ts';
export { aborted, pause, unlessAborted, within } from './abort.ts';
export { isWriteFailure, writeFailure } from './write-failure.ts';
export { parseHeader, formatHeader, parseInteger, type Header, type Message } from './header.ts';
export { encodeFrame, encodeFrameHead, FrameDecoder, layOutFrame, type FrameLimits } from './frame.ts';
export { Messenger, type MessengerOptions } from './messenger.ts';
export type { KeepAliveOptions } from './keep-alive.ts';
export { Hub, multicast, type HubCallbacks, type HubEvent, type SendOptions } from './hub.ts';
export { Server, type ServerOptions } from './server.ts';
export { OK, routed, Router, type InSession } from './router.ts';
export { KeyedSemaphore, Semaphore, type Turn } from './semaphore.ts';
export { SharedRuns } from './shared-runs.ts';
export { Session, unsupported, type Handler, type Reply, type RequestOptions } from './session.ts';
export {
  readHello,
  sayHello,
  unauthenticatedMessenger,
  UNAUTHENTICATED_LIMITS,
  UNAUTHENTICATED_OPTIONS,
  type SayWelcome,
} from './handshake.ts';
export type { LeaveLedger } from './leave-exchange.ts';
export {
  giveProofOfEnd,
  LEVELS_REMOVALS,
  levelRemovals,
  removalPosition,
  type RemovalLedger,
} from './removal-exchange.ts';
export { hearLeaves, hearRemovals, RemovalNews } from './removal-news.ts';
export {
  describeAddress,
  describeEndpoint,
  describeHostPort,
  describeRemote,
  type AcceptedLink,
  type Endpoint,
  type Link,
  type UdpEndpoint,
} from './transport/endpoint.ts';
export {
  dial,
  dialError,
  dialOver,
  dialPlain,
  isHandshakeUnanswered,
  type DialOptions,
  type Security,
} from './transport/dial.ts';
export { listen, listenError, type Listener, type ListenOptions } from './transport/listen.ts';
export { connectionLimit, memberConnectionBounds } from './transport/admission-control.ts';
export type { RelayDoor } from './transport/tls-acceptor.ts';
export { Relay, type RelayOptions } from './relay/relay.ts';
export { Rendezvous } from './relay/rendezvous.ts';
export { ALPN } from './transport/tls-context.ts';
export { addressBlockOf } from './fairness/address-block.ts';
export { Shares, type ShareBounds } from './fairness/shares.ts';
export { fairLevel } from './fairness/fair-level.ts';
export { Rates, type RateBounds } from './fairness/rates.ts';
export { askBounded, BoundedAnswer, type AnswerBounds } from './bounded-answer.ts';
export { diskNear, filesKeptFree, usableOf, type DiskState } from './disk-state.ts';
export { nodeCrypto } from './loaded-late.ts';
export { makeFolders } from './make-folders.ts';
export { createSecretFile, replaceSecretFile } from './trust/secret-file.ts';
export { createWebCertificate, type WebCertificate } from './trust/web-certificate.ts';
export { errorMessage, errorOf, formatError, formatOwnError, ownErrorOf, saidBy } from './messages/error.ts';
export {
  expectType,
  isTransferProgress,
  message,
  messageType,
  messageTypes,
  type Declaration,
  type Given,
  type MessageType,
  type Parsed,
} from './messages/declaration.ts';
export * from './messages/call-back.ts';
export * from './messages/ok.ts';
export * from './messages/contact.ts';
export * from './messages/probe.ts';
export * from './messages/json.ts';
export * from './messages/session.ts';
export * from './messages/enrol.ts';
export * from './messages/leave.ts';
export * from './messages/directory.ts';
export * from './messages/schedule.ts';
export * from './messages/transfers.ts';
export * from './messages/report.ts';
export * from './messages/upload.ts';
export * from './messages/text.ts';
export * from './messages/receipt.ts';
export * from './messages/transfer.ts';
export * from './messages/transfer-entries.ts';
export * from './messages/transfer-streams.ts';
export * from './messages/transfer-basis.ts';
export * from './messages/transfer-extras.ts';
export * from './messages/transfer-parallel.ts';
export * from './messages/transfer-passing.ts';
export * from './messages/stage.ts';
export * from './messages/share.ts';
export * from './messages/holding.ts';
export * from './addresses.ts';
export {
  inOrder,
  interfaceAddresses,
  machineAddresses,
  type InterfaceAddress,
  type SystemFolders,
} from './machine-addresses.ts';
export * from './names.ts';
export { Glob } from './globs.ts';
export * from './trust/signed.ts';
export * from './trust/keys.ts';
export * from './trust/identity.ts';
export * from './trust/network-key.ts';
export * from './trust/invite.ts';
export * from './trust/membership.ts';
export * from './messages/servers.ts';
export * from './trust/server-list.ts';
export * from './trust/server-record.ts';
export * from './trust/removals.ts';
export * from './trust/leave.ts';
export * from './trust/peer-record.ts';
export * from './trust/stage-word.ts';
export * from './trust/text.ts';

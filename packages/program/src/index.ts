/** What both commands of filer share; the only file that others import. */
export { closeAll } from './close-all.ts';
export {
  processEnvironment,
  settingVariable,
  variable,
  type Environment,
  type ProgramName,
} from './environment.ts';
export { openHome, resolveHome, type Home } from './home.ts';
export { userWorkFolder } from './user-folders.ts';
export { acquireLock, type Lock } from './lock.ts';
export { Output, type OutputStream } from './output.ts';
export { contentOf } from './standard-input.ts';
export { printable, printableJson } from './printable.ts';
export {
  linesSaid,
  passedOn,
  runnableProgram,
  runToEnd,
  type ProgramEnd,
  type ProgramRun,
} from './run-program.ts';
export { removeProtoAccess } from './proto-access.ts';
export {
  checkDocument,
  wrongSetting,
  failed,
  failedBy,
  ok,
  skipped,
  warning,
  type Check,
  type Facts,
} from './doctor/check.ts';
export { checkDisk, shellWord } from './doctor/disk-check.ts';
export { checkIdentity } from './doctor/identity-check.ts';
export { doctorBundle, runDoctor, type Findings } from './doctor/run-doctor.ts';
export { checkDescriptors, checkInotify } from './doctor/system-limits.ts';
export { advertiseOnLan, type Advertiser } from './lan/advertise.ts';
export { discoverOnLan, type FoundServer } from './lan/discover.ts';
export { counted } from './counted.ts';
export { csvLine, type CsvCell } from './csv.ts';
export { iso } from './iso.ts';
export { localTime } from './local-time.ts';
export { DiskRoom } from './disk-room.ts';
export { formatAgo, formatDuration, parseDuration } from './durations.ts';
export { formatBytes, formatRate, parseRate, parseSize } from './sizes.ts';
export {
  layOutTable,
  renderFields,
  renderTable,
  TableWriter,
  type Cell,
  type Column,
  type Table,
} from './terminal/table.ts';
export { cutEnd } from './terminal/text-width.ts';
export { HeldTerminal, terminalInUse } from './terminal/held-terminal.ts';
export { openProgress, progressArgument, type ProgressMode } from './terminal/open-progress.ts';
export type { ProgressDisplay } from './terminal/progress-display.ts';
export {
  amountWords,
  timeLeftMs,
  type ProgressAmounts,
  type ProgressState,
} from './terminal/progress-row.ts';
export { TransferRate } from './terminal/transfer-rate.ts';
export { LiveView, screenLines, type LiveViewOptions, type Screen } from './terminal/live-view.ts';
export {
  CRON,
  EVERY,
  parseCron,
  parseEvery,
  parseTimetable,
  type Timetable,
  type TimetableText,
} from './timetable.ts';
export { RepeatedLines } from './repeated-lines.ts';
export { createLogger, LOG_FORMATS, LOG_LEVELS, type LogFields, type Logger } from './log.ts';
export * from './kinds.ts';
export { MOMENT, type Moment } from './moment.ts';
export {
  defaulted,
  flag,
  list,
  optional,
  required,
  type Argument,
  type ArgumentValues,
  type GivenArguments,
} from './arguments.ts';
export {
  command,
  group,
  type Command,
  type Context,
  type LineSurroundings,
  type OpenCommand,
} from './command.ts';
export type { Confirms, Loss } from './confirmation.ts';
export { readConfiguration, writeConfigurationTemplate } from './configuration.ts';
export {
  commandSetting,
  listSetting,
  optionalSetting,
  setting,
  settingArguments,
  toggleSetting,
  type Setting,
  type SettingArguments,
  type SettingValues,
} from './settings.ts';
export { firstWordsOf, sentence } from './help/help.ts';
export { formOf, type Parameter } from './help/form.ts';
export { completionCommand } from './completion/command.ts';
export type { Candidate, Completion } from './completion/candidate.ts';
export { complete, type CompletionSource } from './completion/complete.ts';
export { lineAtCursor } from './completion/line.ts';
export { serviceCommands, stopCommand } from './service/commands.ts';
export { installedOrByHand, sayInstalled } from './service/install.ts';
export { scopeOf } from './service/place.ts';
export type { InstalledService } from './service/service.ts';
export { stopMethod, stoppingProcess } from './service/stop-method.ts';
export { GLOBAL_FLAGS } from './selection.ts';
export { runProgram, type CompletionContext, type ProgramOptions } from './program.ts';
export {
  arrayOf,
  count,
  errorCode,
  method,
  NO_PARAMS,
  parsedBy,
  ROLES,
  text,
  type Method,
  type MethodTypes,
  type Role,
  type TypesOf,
} from './rpc/method.ts';
export {
  implement,
  implementWith,
  LOCAL_CALLER,
  type Audit,
  type Call,
  type Caller,
  type Handler,
  type Handlers,
  type Methods,
  type Operation,
} from './rpc/implement.ts';
export { Listeners } from './events/listeners.ts';
export { EventRing, NO_EVENTS, type EventOf, type Events } from './events/ring.ts';
export { eventsMethod, tellEvents, type EventSchemas, type EventsMethod } from './events/method.ts';
export { ProgressThrottle } from './events/progress-throttle.ts';
export { followDaemon, type Asked } from './events/follow.ts';
export { refreshOn, refreshOnEvents } from './events/refresh.ts';
export { RpcServer } from './rpc/server.ts';
export { DaemonClient, type CallOptions } from './rpc/client.ts';
export { connectDaemon, requireDaemon } from './rpc/socket.ts';
export { transportHere } from './rpc/here.ts';
export {
  Database,
  type DatabaseOptions,
  type Row,
  type SqlValue,
  type Statement,
  type Statements,
} from './sqlite/database.ts';
export type { Schema } from './sqlite/schema.ts';
export { KeyValues } from './sqlite/key-values.ts';
export { GroupCommit, writesTo, type Writes } from './sqlite/group-commit.ts';
export {
  bytesIn,
  integerIn,
  optionalIntegerIn,
  storedJson,
  textIn,
  unreadable,
  wordIn,
} from './sqlite/rows.ts';
export { versionOf } from './version.ts';
export { TrustedClock, type ClockReading, type SavedTrust } from './trusted-clock.ts';
export { readClocks } from './machine-clocks.ts';
export { KeptClock, parseTrust } from './kept-clock.ts';
export { keepHeapSmall } from './small-heap.ts';
export { openHttp } from './http/open-http.ts';
export type { HttpListen, HttpOptions, HttpService, HttpTls } from './http/http-options.ts';
export { digestOfToken, newToken, type Tokens } from './http/access.ts';
export { SESSION_MS } from './http/limits.ts';
export type { Route, RouteRequest } from './http/route.ts';

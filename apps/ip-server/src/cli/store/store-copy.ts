import {
  counted,
  customKind,
  formatBytes,
  openProgress,
  optional,
  progressArgument,
  readConfiguration,
  required,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { copyStore } from '../../daemon/store-copy.ts';
import { SETTINGS } from '../../settings.ts';
import { parseStoreAddress, SQLITE } from '../../store-address.ts';

const PLACE = customKind(
  'sqlite, sqlite:HOME, or postgres://USER@HOST/DATABASE without a password (that is in the file that PGPASSFILE or --store-password-file names)',
  (text) => (text.startsWith(`${SQLITE}:`) ? existingText(text) : parseStoreAddress(text)),
  { value: 'store', isSecret: true },
);

export const args = {
  from: required(PLACE, 'store that holds the network'),
  to: required(PLACE, 'store that is to hold it'),
  storePasswordFile: optional(
    textKind('a file', { completes: 'file' }),
    'file with the password of the database, if no PGPASSFILE has it',
  ),
  progress: progressArgument,
};

export const examples = [
  'store copy --from sqlite --to postgres://filer@db.example/filer',
  'store copy --from postgres://filer@db.example/filer --to sqlite:/var/lib/ip-server',
];

export async function run(
  { from, to, storePasswordFile, progress: mode }: ArgumentValues<typeof args>,
  context: Context,
): Promise<void> {
  const { home, env, output, signal } = context;
  const settings = await readConfiguration(SETTINGS, { home, env, flags: { storePasswordFile } });
  const progress = await openProgress(context, mode);
  progress.expect(['copying', 'checking']);
  const copied = await copyStore({
    from,
    to,
    home,
    environment: env,
    passwordFile: settings.storePasswordFile,
    signal,
    onProgress: ({ phase, bytes, ofBytes, isDone }) => {
      const amounts = { bytesDone: bytes, bytesTotal: isDone ? bytes : Math.max(bytes, ofBytes) };
      progress.show(phase, { ...amounts, filesDone: 0, filesTotal: 0, complete: isDone }, bytes);
      if (isDone) progress.mark(phase, 'done');
    },
  }).finally(() => progress.stop());
  const { tables, files } = copied;
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  output.json({
    from,
    to,
    home: copied.home.identityFolder,
    rows,
    tables,
    files: files.files,
    fileBytes: files.bytes,
  });
  for (const table of tables) output.line(`${table.name}  ${counted(table.rows, 'row')}  ${table.digest}`);
  const attached =
    files.files === 0 ? '' : `, ${counted(files.files, 'file')} of ${formatBytes(files.bytes)}`;
  if (copied.endedInvites > 0)
    output.warn(
      `${counted(copied.endedInvites, 'invite')} for several servers ${copied.endedInvites === 1 ? 'admits' : 'admit'} no machine to one with an embedded database: make new ones with "ip-server invite"`,
    );
  output.words(
    `Copied and compared ${counted(rows, 'row')}${attached}: the next "ip-server start" uses ${to}. ${from} is kept as it was: start no server with it.`,
  );
}

function existingText(text: string): string {
  if (text.endsWith(':')) throw new RangeError('no folder');
  return text;
}

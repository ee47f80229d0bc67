import { FilerError } from '@filer/protocol';
import {
  choiceKind,
  customKind,
  defaulted,
  DURATION,
  flag,
  formatAgo,
  formatDuration,
  optional,
  renderTable,
  ROLES,
  textKind,
  type ArgumentValues,
  type Context,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { MAX_TOKEN_MS, type TokenEntry } from '../../api/contract/tokens.ts';
import { asking } from '../asking.ts';

const TOKEN_EXPIRY = customKind('a duration up to 366d such as 30d', (text) => {
  const ms = DURATION.parse(text);
  if (ms < 1 || ms > MAX_TOKEN_MS) throw new RangeError('out of bounds');
  return ms;
});

export const args = {
  role: defaulted(
    choiceKind(ROLES),
    'admin',
    'what the link may do: look; start collects and send texts; all',
  ),
  name: defaulted(
    textKind('a name such as wall-screen'),
    'dashboard',
    'whose link it is, for the list and the audit log',
  ),
  expiresMs: defaulted(TOKEN_EXPIRY, '30d', 'how long the link is valid'),
  list: flag('list the links instead'),
  revoke: optional(
    textKind('the id of a link', { value: 'id', completes: 'token' }),
    'revoke a link instead, and end its sessions',
  ),
};

export const examples = [
  'dashboard',
  'dashboard --role read --name wall-screen --expires 90d',
  'dashboard --list',
];

type Arguments = ArgumentValues<typeof args>;

const COLUMNS = [
  { title: 'ID', fit: 'whole' },
  { title: 'NAME' },
  { title: 'ROLE', fit: 'whole' },
  { title: 'EXPIRES', fit: 'whole' },
  { title: 'USED', fit: 'whole', dropOrder: 1 },
] as const;

export async function run(given: Arguments, context: Context): Promise<void> {
  const { list, revoke } = given;
  if (list && revoke !== undefined) throw new FilerError('usage', '--list and --revoke exclude each other');
  if (list) await listTokens(context);
  else if (revoke !== undefined) await revokeToken(revoke, context);
  else await makeLink(given, context);
}

async function makeLink({ role, name, expiresMs }: Arguments, context: Context): Promise<void> {
  const { output } = context;
  const made = await asking(context, { exclusive: true }, async (server) => {
    const { running, http } = await server.call(contract.status, {});
    if (!running)
      throw new FilerError('needs-daemon', 'ip-server is not running here, start it with "ip-server start"');
    if (http === null)
      throw new FilerError('refused', 'this server has no dashboard: start it without --http-port off');
    return await server.call(contract.tokenAdd, { name, role, expiresMs });
  });
  const { token, url, ...entry } = made;
  const link = `${url ?? ''}/#token=${token}`;
  output.json({ link, url, token, ...entry });
  output.line(link);
  output.words(
    `Valid for ${formatDuration(expiresMs)}, with the role ${role}; anyone who has the link can use it. End it with \`ip-server dashboard --revoke ${entry.id}\``,
  );
}

async function listTokens(context: Context): Promise<void> {
  const { output } = context;
  const answer = await asking(context, {}, (server) => server.call(contract.tokens, {}));
  output.json(answer);
  const now = Date.now();
  const rows = answer.tokens.map((token) => rowOf(token, now));
  if (rows.length === 0) output.words('There are no links; make one: ip-server dashboard');
  else output.line(renderTable(COLUMNS, rows, output.columns));
}

async function revokeToken(id: string, context: Context): Promise<void> {
  const { output } = context;
  const revoked = await asking(context, { exclusive: true }, (server) =>
    server.call(contract.tokenRevoke, { id }),
  );
  output.json({ revoked });
  output.line(`revoked ${id} (${revoked.name}): its sessions have ended`);
}

function rowOf({ id, name, role, expiresAt, usedAt }: TokenEntry, now: number): string[] {
  const end = Date.parse(expiresAt);
  return [
    id,
    name,
    role,
    end > now ? `in ${formatDuration(end - now)}` : formatAgo(end, now),
    usedAt === null ? 'never' : formatAgo(Date.parse(usedAt), now),
  ];
}

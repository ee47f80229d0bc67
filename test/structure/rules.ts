import { posix } from 'node:path';
import { importsOf, type Source } from './sources.ts';

/**
 * Who may import whom inside an app, from the top down: a folder may import its own row and those below.
 * A file that is directly in `src` (but `main.ts`) is the ground: every folder may import it, it imports
 * no folder. `api/contract.ts` and `api/contract/` have a row of their own, far below the rest of `api`.
 */
const LAYERS: Record<string, readonly (readonly string[])[]> = {
  'apps/filer-client': [
    ['main.ts'],
    ['cli'],
    ['api'],
    ['daemon'],
    ['http'],
    ['reports', 'watch', 'doctor'],
    ['send', 'get', 'receive', 'serve', 'verify'],
    ['jobs', 'network'],
    ['store'],
    ['api/contract'],
    ['ground'],
  ],
  'apps/ip-server': [
    ['main.ts'],
    ['cli'],
    ['api'],
    ['daemon'],
    ['http'],
    ['network', 'reports', 'alarms', 'uploads', 'collect', 'doctor'],
    ['store'],
    ['api/contract'],
    ['ground'],
  ],
  'packages/web': [['dashboard', 'machine'], ['ui']],
};

/** What a folder may not import of its own row: handlers of messages are registered by who composes the parts. */
const APART: Record<string, Readonly<Record<string, readonly string[]>>> = {
  'apps/filer-client': {
    network: ['jobs'],
    send: ['get', 'receive', 'serve', 'verify'],
    get: ['send', 'receive', 'serve', 'verify'],
    receive: ['send', 'get', 'serve', 'verify'],
    serve: ['send', 'get', 'receive', 'verify'],
    verify: ['send', 'get', 'receive', 'serve'],
  },
  'apps/ip-server': { network: ['reports', 'alarms', 'uploads', 'collect'] },
  'packages/web': { dashboard: ['machine'], machine: ['dashboard'] },
};

/** The front doors that each member may import; all else it imports is node: or third-party. */
const FRONT_DOORS: Record<string, readonly string[]> = {
  'packages/protocol': [],
  'packages/sockets': ['@filer/protocol'],
  'packages/transfer': ['@filer/protocol'],
  'packages/program': ['@filer/protocol'],
  'packages/web': ['@filer/program', '@filer/ip-server/contract', '@filer/filer-client/contract'],
  'apps/ip-server': ['@filer/protocol', '@filer/transfer', '@filer/program'],
  'apps/filer-client': ['@filer/protocol', '@filer/transfer', '@filer/program'],
};

const SOCKETS_AND_TERMINAL = /^node:(net|tls|dgram|https?|http2|tty|readline)(\/|$)/;

/** Everything in one file that goes against the import table or the house rules, in words. */
export function breaches(source: Source): string[] {
  return [...importBreaches(source), ...textBreaches(source), ...nameBreaches(source)].map(
    (breach) => `${source.path} ${breach}`,
  );
}

function importBreaches(source: Source): string[] {
  const member = memberOf(source.path);
  return importsOf(source).flatMap((specifier) => {
    if (specifier.startsWith('.')) return relativeBreaches(source.path, member, specifier);
    if (specifier.startsWith('@filer/')) {
      // A page has the types of the contracts, and no code that runs in Node.
      if (member === 'packages/web' && importsCode(source.text, specifier))
        return [`imports code of ${specifier}`];
      return FRONT_DOORS[member]?.includes(specifier) ? [] : [`imports ${specifier}`];
    }
    // The lock of a home is a database without content.
    if (specifier === 'node:sqlite' && !/^packages\/program\/src\/(sqlite\/|lock\.ts$)/.test(source.path)) {
      return [`imports ${specifier}: databases are opened by the wrapper of @filer/program`];
    }
    if (member === 'packages/transfer' && SOCKETS_AND_TERMINAL.test(specifier)) {
      return [`imports ${specifier}: the engine knows neither sockets nor the terminal`];
    }
    return [];
  });
}

function importsCode(text: string, specifier: string): boolean {
  return new RegExp(`^\\s*(?:import|export)(?! type\\b)[^'";]*'${specifier}'`, 'm').test(text);
}

function relativeBreaches(path: string, member: string, specifier: string): string[] {
  const target = posix.join(posix.dirname(path), specifier);
  if (!target.startsWith(`${member}/src/`)) return [`reaches into ${target}`];
  const rows = LAYERS[member];
  if (rows === undefined) return [];
  const rowOf = (folder: string) => rows.findIndex((row) => row.includes(folder));
  const [from, to] = [folderOf(path), folderOf(target)];
  const unknown = [from, to].find((folder) => rowOf(folder) === -1);
  if (unknown !== undefined) return [`uses the folder ${unknown}, which has no place in the import table`];
  const isBreach = rowOf(to) < rowOf(from) || APART[member]?.[from]?.includes(to) === true;
  if (opensEngine(path, target)) return [`opens a store engine: ${target}`];
  return isBreach ? [`imports ${to} from ${from}`] : [];
}

/** The engines of the ip-server's store are opened in its `store/` only. */
function opensEngine(path: string, target: string): boolean {
  const store = 'apps/ip-server/src/store/';
  return !path.startsWith(store) && target.startsWith(store) && target.slice(store.length).includes('/');
}

function folderOf(path: string): string {
  const [first = '', ...rest] = path.split('/').slice(3);
  // The contract is what all others of an app speak of: declarations only.
  if (first === 'api' && /^contract(\.ts)?$/.test(rest[0] ?? '')) return 'api/contract';
  return rest.length > 0 || first === 'main.ts' ? first : 'ground';
}

function textBreaches({ path, text }: Source): string[] {
  const file = posix.basename(path);
  const isMain = /^apps\/[^/]+\/src\/main\.ts$/.test(path);
  const isCli = /^apps\/[^/]+\/src\/cli\//.test(path);
  const found = (pattern: RegExp, allowed: boolean, breach: string) =>
    !allowed && pattern.test(text) ? [breach] : [];
  return [
    ...found(/\bconsole\./, isMain || isCli, 'uses console'),
    ...found(/\bprocess\.env\b/, file === 'environment.ts', 'reads process.env'),
    ...found(/\bprocess\.exit\(/, isMain, 'calls process.exit'),
    ...found(
      /\bprocess\.(stdin|stdout|stderr)\b/,
      !path.startsWith('packages/transfer/'),
      'touches the terminal',
    ),
    ...found(
      /\bnew Database\(|\bopenDatabase\(/,
      /^apps\/[^/]+\/src\/store\//.test(path),
      'opens a database',
    ),
    ...found(/\bdangerouslySetInnerHTML\b|\.(inner|outer)HTML\b/, false, 'writes markup'),
    ...found(/^\s*export\s+default\b/m, false, 'has a default export'),
    ...found(/^\s*export\s+\*/m, isFrontDoor(path), 'is a barrel and no front door'),
  ];
}

function nameBreaches({ path }: Source): string[] {
  return /^(utils?|helpers?|types|common|misc)\.tsx?$/.test(posix.basename(path))
    ? ['has a name that says nothing']
    : [];
}

function isFrontDoor(path: string): boolean {
  return /^packages\/[^/]+\/src\/index\.ts$/.test(path);
}

function memberOf(path: string): string {
  return path.split('/').slice(0, 2).join('/');
}

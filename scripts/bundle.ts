/**
 * Joins what `tsc -b` wrote and the third-party packages into `apps/NAME/bundle/`: one file for what each start
 * needs, one for what a command needs beside that to ask its daemon, and one for each part that is loaded when it is used.
 * Each file that is loaded takes half a millisecond.
 */
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { rolldown } from 'rolldown';
import { NATIVE } from './native-packages.ts';

/** What is changed of third-party modules: the end of a module's path, what stands there once, and what takes its place. */
const CHANGES = [
  // yargs asks for the current folder when it is loaded from a bundle; that may have been removed.
  ['/yargs/lib/platform-shims/esm.mjs', 'mainFilename || process.cwd()', "mainFilename || '/'"],
  // It lays out help with this, which we do ourselves; loading it takes longer than all of yargs.
  ['/yargs/lib/platform-shims/esm.mjs', "import cliui from 'cliui'", 'const cliui = undefined'],
  // A segmenter takes 6 ms, and is needed for other scripts alone.
  [
    '/string-width/index.js',
    'const segmenter = new Intl.Segmenter();',
    'const segmenter = { segment: (text) => (segmenter.made ??= new Intl.Segmenter()).segment(text) };',
  ],
] as const;

const root = join(import.meta.dirname, '..');

/** What each program loads before itself. */
const compileCache = join(root, 'packages/program/dist/compile-cache.js');

/** Parts that nearly each command loads which asks its daemon, and the most usual of them. */
const CALLING = [
  '/program/dist/command-line.js',
  '/program/dist/rpc/socket.js',
  '/program/dist/terminal/progress-lines.js',
  '/dist/cli/files/send.js',
];

for (const name of readdirSync(join(root, 'apps'))) {
  const app = join(root, 'apps', name);
  if (!existsSync(join(app, 'package.json'))) continue;
  const target = join(app, 'bundle');
  const fresh = join(app, 'bundle.new');
  rmSync(fresh, { recursive: true, force: true });
  const made = new Set<string>();
  const bundle = await rolldown({
    input: { main: join(app, 'dist/main.js'), 'compile-cache': compileCache },
    platform: 'node',
    preserveEntrySignatures: 'allow-extension',
    external: [NATIVE, /^node:/],
    checks: { eval: false },
    plugins: [
      {
        name: 'changed-modules',
        transform: (code, id) => changed(code, id, made),
      },
    ],
  });
  // Hashed: a program that runs while it is upgraded must not load a part of the other version.
  const options = { dir: fresh, format: 'esm', chunkFileNames: '[name]-[hash].js' } as const;
  const chunks = (await bundle.generate(options)).output.filter((part) => part.type === 'chunk');
  const before = modulesFrom(chunks, (id) => id === compileCache);
  const start = modulesFrom(chunks, (id) => id === join(app, 'dist/main.js'));
  const calls = modulesFrom(chunks, (id) => CALLING.some((end) => id.endsWith(end)));
  const { output } = await bundle.write({
    ...options,
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        { name: 'start', test: (id) => start.has(id) && !before.has(id), priority: 2 },
        { name: 'calls', test: (id) => calls.has(id) && !before.has(id), priority: 1 },
      ],
    },
  });
  await bundle.close();
  for (const [, what] of CHANGES)
    if (!made.has(what)) throw new Error(`${what} stands in no module any more`);
  const modules = output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
  writeFileSync(join(fresh, 'LICENSES.txt'), licensesOf(modules));
  rmSync(target, { recursive: true, force: true });
  renameSync(fresh, target);
}

interface Chunk {
  readonly fileName: string;
  readonly imports: readonly string[];
  readonly moduleIds: readonly string[];
}

/** The modules of all chunks that are loaded with one in which a module is. */
function modulesFrom(chunks: readonly Chunk[], isWanted: (id: string) => boolean): Set<string> {
  const found = new Set(chunks.filter(({ moduleIds }) => moduleIds.some(isWanted)));
  for (const { imports } of found)
    for (const chunk of chunks) if (imports.includes(chunk.fileName)) found.add(chunk);
  return new Set([...found].flatMap(({ moduleIds }) => moduleIds));
}

/** @param made gets what was changed */
function changed(code: string, id: string, made: Set<string>): string | undefined {
  let result: string | undefined;
  for (const [module, what, instead] of CHANGES) {
    if (!id.replaceAll(sep, '/').endsWith(module) || !code.includes(what)) continue;
    result = (result ?? code).replace(what, () => instead);
    made.add(what);
  }
  return result;
}

/** The licence texts of the third-party packages that the modules come from. */
function licensesOf(modules: readonly string[]): string {
  const folders = new Set(modules.flatMap((module) => packageFolder(module) ?? []));
  return [...folders]
    .toSorted()
    .map((folder) => {
      const about: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      const text =
        file === undefined
          ? `License: ${fieldOf(about, 'license')}`
          : readFileSync(join(folder, file), 'utf8');
      return `${fieldOf(about, 'name')} ${fieldOf(about, 'version')}\n\n${text.trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function fieldOf(manifest: unknown, key: string): string {
  return String(Object.entries(manifest ?? {}).find(([name]) => name === key)?.[1]);
}

function packageFolder(module: string): string | undefined {
  const at = module.lastIndexOf(`${sep}node_modules${sep}`);
  if (at === -1) return undefined;
  const [scope = '', name = ''] = module.slice(at + '/node_modules/'.length).split(sep);
  const folder = join(module.slice(0, at), 'node_modules', scope, scope.startsWith('@') ? name : '');
  return existsSync(join(folder, 'package.json')) ? folder : dirname(module);
}

/**
 * Joins what `tsc -b` wrote and the third-party packages into `apps/NAME/bundle/`: one file for what each start
 * needs and one for each part that is loaded when it is used. A command of 400 modules starts in half of the time.
 */
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { rolldown } from 'rolldown';
import { NATIVE } from './native-packages.ts';

const YARGS_FOLDER = 'mainFilename || process.cwd()';

const root = join(import.meta.dirname, '..');

for (const name of readdirSync(join(root, 'apps'))) {
  const app = join(root, 'apps', name);
  if (!existsSync(join(app, 'package.json'))) continue;
  const target = join(app, 'bundle');
  const fresh = join(app, 'bundle.new');
  rmSync(fresh, { recursive: true, force: true });
  let patched = 0;
  const bundle = await rolldown({
    input: { main: join(app, 'dist/main.js') },
    platform: 'node',
    external: [NATIVE, /^node:/],
    checks: { eval: false },
    plugins: [
      {
        name: 'yargs-without-folder',
        transform: (code, id) => {
          const changed = withoutFolder(code, id);
          if (changed !== undefined) patched++;
          return changed;
        },
      },
    ],
  });
  // Hashed: a program that runs while it is upgraded must not load a part of the other version.
  const { output } = await bundle.write({ dir: fresh, format: 'esm', chunkFileNames: '[name]-[hash].js' });
  await bundle.close();
  if (patched !== 1) throw new Error(`${YARGS_FOLDER} stands in ${patched} files of yargs, and not in one`);
  const modules = output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []));
  writeFileSync(join(fresh, 'LICENSES.txt'), licensesOf(modules));
  rmSync(target, { recursive: true, force: true });
  renameSync(fresh, target);
}

/** yargs asks for the current folder when it is loaded from a bundle; that may have been removed. */
function withoutFolder(code: string, id: string): string | undefined {
  if (!id.includes(`${sep}yargs${sep}`) || !code.includes(YARGS_FOLDER)) return undefined;
  return code.replace(YARGS_FOLDER, "mainFilename || '/'");
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

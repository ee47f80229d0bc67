/*
 * All tables, one after the other: medians, and ratios to what users would take instead, in the same run.
 *
 *   npm run bench [-- NAME…]       transfers links server servers reports passing-on dashboard frames echo
 *
 * All take more than an hour on 2 cores; each is smaller here than its own default where that takes hours, and the line that runs it is
 * printed. What needs root (network namespaces) is left out without it, and so is what fails: the others follow, and the exit code is 1.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

interface Table {
  readonly name: string;
  readonly what: string;
  /** Relative to this folder, with its arguments. */
  readonly run: readonly [string, ...string[]];
  /** For its namespaces. @default false */
  readonly asRoot?: boolean;
}

const TABLES: readonly Table[] = [
  { name: 'transfers', what: 'files between two machines', run: ['transfer/main.ts'] },
  { name: 'links', what: 'a file over links that are long or bad', run: ['links/main.ts'], asRoot: true },
  { name: 'server', what: 'many members at one server', run: ['servers/one.ts', '--members', '5000'] },
  { name: 'servers', what: 'servers on SQLite and PostgreSQL', run: ['servers/main.ts'] },
  { name: 'reports', what: 'the store of reports', run: ['reports/main.ts', '--reports', '1000000'] },
  {
    name: 'passing-on',
    what: 'one file to many',
    run: ['passing-on/table.sh', '40', '64', '1', '2', '4'],
    asRoot: true,
  },
  { name: 'dashboard', what: 'the dashboard with many machines', run: ['dashboard/main.ts'] },
  { name: 'frames', what: 'frames a second', run: ['frame.ts'] },
  { name: 'echo', what: 'messages a second', run: ['echo.ts'] },
];

const wanted = new Set(process.argv.slice(2));
for (const name of wanted)
  if (!TABLES.some((table) => table.name === name)) {
    console.error(
      `there is no table ${JSON.stringify(name)}: ${TABLES.map((table) => table.name).join(' ')}`,
    );
    process.exit(2);
  }

for (const { name, what, run, asRoot = false } of TABLES) {
  if (wanted.size > 0 && !wanted.has(name)) continue;
  console.log(`\n== ${name}: ${what} (bench/${run.join(' ')})`);
  if (asRoot && process.getuid?.() !== 0) {
    console.log('left out: it needs root');
    continue;
  }
  const [file, ...args] = run;
  const path = fileURLToPath(new URL(file, import.meta.url));
  const command = file.endsWith('.sh') ? 'bash' : process.execPath;
  const child = spawn(command, [path, ...args], { stdio: 'inherit' });
  await once(child, 'exit');
  if (child.exitCode === 0) continue;
  console.log(`${name} failed (${child.exitCode ?? child.signalCode})`);
  process.exitCode = 1;
}

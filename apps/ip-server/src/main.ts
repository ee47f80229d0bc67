import { readFileSync } from 'node:fs';
import { runProgram } from '@filer/program';
import { commands } from './cli/commands.ts';

// What a server keeps is its user's alone, in whatever folder it lies.
process.umask(0o077);

const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

process.exit(
  await runProgram({
    program: 'ip-server',
    version: versionOf(manifest),
    summary: 'keeps track of the machines of a filer network and of what they report',
    commands,
    epilogue: 'First: ip-server start, then in another terminal: ip-server invite',
  }),
);

function versionOf(value: unknown): string {
  const version =
    typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  return typeof version === 'string' ? version : '0';
}

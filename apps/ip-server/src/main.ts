import { fileURLToPath } from 'node:url';
import { removeProtoAccess, runProgram, versionOf } from '@filer/program';
import { commands } from './cli/commands.ts';

export async function main(): Promise<void> {
  removeProtoAccess();
  // What a server keeps is its user's alone, in whatever folder it is.
  process.umask(0o077);
  process.exit(
    await runProgram({
      program: 'ip-server',
      bin: fileURLToPath(new URL('../bin/ip-server.js', import.meta.url)),
      version: versionOf(new URL('../package.json', import.meta.url)),
      summary: 'the server of a filer network',
      commands,
      completes: async (context, what) => (await import('./cli/completion/names.ts')).namesFor(context, what),
      epilogue: 'First: ip-server start, then in another terminal: ip-server invite',
    }),
  );
}

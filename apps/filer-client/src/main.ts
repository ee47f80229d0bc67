import { fileURLToPath } from 'node:url';
import { removeProtoAccess, runProgram, versionOf } from '@filer/program';
import { commands } from './cli/commands.ts';

/** @param calledAs `filer` is the short command: the same, and without a word it shows how this machine stands */
export async function main(calledAs: 'filer-client' | 'filer'): Promise<void> {
  removeProtoAccess();
  process.exit(
    await runProgram({
      program: 'filer-client',
      calledAs,
      bin: fileURLToPath(new URL('../bin/filer-client.js', import.meta.url)),
      version: versionOf(new URL('../package.json', import.meta.url)),
      summary: 'a machine of a filer network',
      commands,
      completes: async (...asked) => (await import('./cli/completion/names.ts')).namesFor(...asked),
      ...(calledAs === 'filer' ? { wordless: 'overview' } : {}),
      epilogue: `First, with an invite from the server: ${calledAs} join - --service`,
    }),
  );
}

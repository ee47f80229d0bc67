import { runProgram, versionOf } from '@filer/program';
import { commands, groups } from './cli/commands.ts';

process.exit(
  await runProgram({
    program: 'filer-client',
    version: versionOf(new URL('../package.json', import.meta.url)),
    summary: 'a machine of a filer network',
    commands,
    groups,
    epilogue: 'First, with an invite from the server: filer-client join -, then: filer-client start',
  }),
);

import { runProgram, versionOf } from '@filer/program';
import { commands } from './cli/commands.ts';

process.exit(
  await runProgram({
    program: 'filer-client',
    version: versionOf(new URL('../package.json', import.meta.url)),
    summary: 'one machine of a filer network: reports in, talks to the others, sends and receives files',
    commands,
    epilogue: 'First, with an invite from the server: filer-client join -, then: filer-client start',
  }),
);

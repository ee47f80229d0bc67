import { runProgram, versionOf } from '@filer/program';
import { commands } from './cli/commands.ts';

// What a server keeps is its user's alone, in whatever folder it lies.
process.umask(0o077);

process.exit(
  await runProgram({
    program: 'ip-server',
    version: versionOf(new URL('../package.json', import.meta.url)),
    summary: 'keeps track of the machines of a filer network and of what they report',
    commands,
    epilogue: 'First: ip-server start, then in another terminal: ip-server invite',
  }),
);

import { createRequire } from 'node:module';
import { runProgram } from '@filer/program';
import { commands } from './cli/commands.ts';

const manifest: { version: string } = createRequire(import.meta.url)('../package.json');

const exitCode = await runProgram({
  program: 'filer-client',
  version: manifest.version,
  summary: 'One machine of a filer network: reports in, talks to the others, sends and receives files.',
  commands,
  epilogue: 'Begin with an invite from the server:  filer-client join -   then:  filer-client start',
});
process.exit(exitCode);

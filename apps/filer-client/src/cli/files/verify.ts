import { printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { VerifyArguments } from '../arguments.ts';

const PROBLEMS = {
  signature: 'its receipt is not what was signed',
  changed: 'has other bytes now',
  gone: 'is not there any more',
  unknown: 'is not known there as a file from here',
} as const;

export async function run({ job, ask, timeoutMs }: VerifyArguments, context: Context): Promise<number> {
  const { output } = context;
  const done = await call(context, contract.verify, { job, ask, timeoutMs }, (trouble) => {
    output.json(trouble);
    const { recipient, path, receivedAs, problem } = trouble;
    output.line(`${recipient}: ${printable(receivedAs ?? path ?? 'a receipt')} ${PROBLEMS[problem]}`);
  });
  output.json(done);
  for (const { name, ok, status } of done.recipients) {
    if (ok) output.line(`${name}: ${printable(status)}`);
    else output.warn(`${name}: ${status}`);
  }
  if (done.ok && !done.asked)
    output.hint(`Ask them whether they still have it:  filer-client verify ${done.job} --ask`);
  return done.exitCode;
}

import { printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { VerifyArguments } from '../arguments.ts';
import { GroupedReasons } from './grouped-reasons.ts';

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
  const reasons = new GroupedReasons();
  for (const { name, ok, status, code } of done.recipients) {
    if (ok) output.line(`${name}: ${printable(status)}`);
    else reasons.add(name, status, code);
  }
  for (const sentence of reasons.sentences()) output.warn(sentence);
  if (done.ok && !done.asked)
    output.hint(`Ask them whether they still have it:  filer-client verify ${done.job} --ask`);
  return done.exitCode;
}

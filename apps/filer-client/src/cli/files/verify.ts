import { flag, printable, required, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { GroupedReasons } from './grouped-reasons.ts';
import { JOB, timeoutMs } from '../arguments.ts';

export const args = {
  job: required(JOB, 'which job'),
  ask: flag('ask each recipient whether it still holds the same bytes'),
  timeoutMs,
};

export const examples = ['verify k3q9', 'verify k3q9 --ask'];

const PROBLEMS = {
  signature: 'its receipt is not what was signed',
  changed: 'has other bytes now',
  gone: 'is not there any more',
  unknown: 'is not known there as a file from here',
} as const;

export async function run(
  { job, ask, timeoutMs }: ArgumentValues<typeof args>,
  context: Context,
): Promise<number> {
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

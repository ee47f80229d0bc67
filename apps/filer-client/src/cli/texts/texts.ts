import { FilerError } from '@filer/protocol';
import type { Context } from '@filer/program';
import type { TextOutcome } from '../../api/contract/peers.ts';
import { noServerWords } from '../network/no-server-messages.ts';

/** Says how a text went out. @returns the exit code */
export function showText(outcome: TextOutcome, { output }: Context): number {
  output.json(outcome);
  const { reached, offline, via, failed } = outcome;
  for (const { name, message } of failed) output.warn(`${name}: ${message}`);
  const how = via === 'server' ? 'handed to' : 'delivered to';
  const machines = (count: number): string => (count === 1 ? '1 machine' : `${count} machines`);
  output.line(
    `${how} ${machines(reached)}${offline > 0 ? `; ${machines(offline)} could not be reached` : ''}`,
  );
  if (via === 'direct' && outcome.to.startsWith('@'))
    output.words(`(straight from here: ${noServerWords(outcome.serverProblem)})`);
  if (reached === 0 && offline > 0) {
    throw new FilerError(
      'peer-unreachable',
      'no machine was reached: no other machine is online; `filer-client peers` lists them',
    );
  }
  return failed.length > 0 ? 8 : 0;
}

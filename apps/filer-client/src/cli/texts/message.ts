import { FilerError } from '@filer/protocol';
import { flag, printable, required, textKind, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import type { TextOutcome } from '../../api/contract/peers.ts';
import { call } from '../../api/daemon-client.ts';
import { TARGET, timeoutMs } from '../arguments.ts';
import { GroupedReasons } from '../files/grouped-reasons.ts';
import { noServerWords } from '../network/no-server-messages.ts';

const toAll = { text: required(textKind('a text'), 'the text, in quotes'), timeoutMs };

const toSome = {
  target: required(TARGET, 'recipients: a name, an id, @group or @all'),
  text: toAll.text,
  queue: flag('keep it on disk for who is offline, and deliver it when they are back'),
  timeoutMs,
};

export const message = {
  args: toSome,
  examples: ['message bob "lunch?"', 'message @lab "reboot at five"'],
  run: async (values: ArgumentValues<typeof toSome>, context: Context) =>
    showText(await call(context, contract.message, values), context),
};

export const broadcast = {
  args: toAll,
  examples: ['broadcast "the build is out"'],
  run: async (values: ArgumentValues<typeof toAll>, context: Context) =>
    showText(await call(context, contract.broadcast, values), context),
};

/** Of an id that is to be typed. */
const ID_CHARACTERS = 8;

/** Says how a text went out. @returns the exit code */
function showText(outcome: TextOutcome, { output }: Context): number {
  output.json(outcome);
  const { id, reached, offline, via, failed, queued = [] } = outcome;
  const reasons = new GroupedReasons();
  for (const { name, message, code } of failed) reasons.add(name, message, code);
  for (const sentence of reasons.sentences()) output.warn(sentence);
  const how = via === 'server' ? 'handed to' : 'delivered to';
  const machines = (count: number): string => (count === 1 ? '1 machine' : `${count} machines`);
  for (const { reason, name } of queued) output.line(`queued for ${name}: ${printable(reason)}`);
  if (queued.length > 0) {
    output.words('It is delivered when they are back, while `filer-client start` runs here.');
    output.words(`Cancel it:  filer-client messages --queued --delete ${id.slice(0, ID_CHARACTERS)}`);
  }
  if (reached > 0 || queued.length === 0)
    output.line(
      `${how} ${machines(reached)}${offline > 0 ? `; ${machines(offline)} could not be reached` : ''}`,
    );
  if (via === 'direct' && outcome.to.startsWith('@'))
    output.words(`(straight from here: ${noServerWords(outcome.serverProblem)})`);
  if (reached === 0 && offline > 0) {
    throw new FilerError(
      'peer-unreachable',
      'no machine was reached: no other machine is online; `filer-client peers` lists them, and `message --queue` delivers when they are back',
    );
  }
  return failed.length > 0 ? 8 : 0;
}

import {
  counted,
  flag,
  integerKind,
  list,
  type ArgumentValues,
  type Context,
  type Loss,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

const NUMBER = integerKind({ min: 1, max: Number.MAX_SAFE_INTEGER, example: 7 });

const args = {
  numbers: list({ ...NUMBER, completes: 'refused-report' }, 'the numbers of refused reports'),
  all: flag('all refused reports'),
};
type Which = ArgumentValues<typeof args>;

export const retry = {
  args,
  examples: ['report spool retry 7', 'report spool retry --all'],
  run: async (which: Which, context: Context): Promise<void> => {
    const { output } = context;
    const answer = await call(context, contract.spoolRetry, which);
    output.json(answer);
    const { length } = answer.seqs;
    output.line(
      length === 0
        ? 'nothing was refused'
        : `${length === 1 ? '1 report waits' : `${length} reports wait`} again, as ${answer.seqs.join(', ')}`,
    );
  },
};

export const drop = {
  args,
  confirms: 'always' as const,
  examples: ['report spool drop 7', 'report spool drop --all --yes'],
  lossOf: async ({ numbers, all }: Which, context: Context): Promise<Loss> => {
    const { spoolRefused } = await call(context, contract.status, {});
    const what = all ? counted(spoolRefused, 'refused report') : `refused report ${numbers.join(', ')}`;
    return {
      lines: [`${what} with the attached copies are deleted here, and the ip-server does not have them.`],
      question: `Delete ${what}?`,
    };
  },
  run: async (which: Which, context: Context): Promise<void> => {
    const { output } = context;
    const answer = await call(context, contract.spoolDrop, which);
    output.json(answer);
    output.line(`dropped: ${answer.seqs.length === 0 ? 'nothing was refused' : answer.seqs.join(', ')}`);
  },
};

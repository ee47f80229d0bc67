import { counted, required, textKind, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { JOB } from '../arguments.ts';

/** Of a job that runs, waits or is paused. */
const ACTIVE_JOB = textKind(JOB.expects, { value: 'job', completes: 'active-job' });

const args = { job: required(ACTIVE_JOB, 'which job') };
type Which = ArgumentValues<typeof args>;

export const pause = {
  args,
  examples: ['pause k3q9'],
  run: async ({ job }: Which, context: Context): Promise<void> => {
    const { output } = context;
    const paused = await call(context, contract.pause, { job });
    output.json(paused);
    const { recipients } = paused;
    const who = `${counted(recipients, 'recipient')} ${recipients === 1 ? 'waits' : 'wait'}`;
    output.line(`job ${paused.job} is paused: ${who}`);
    output.hint(`To continue it:  filer-client resume ${paused.job}`);
  },
};

export const resume = {
  args,
  examples: ['resume k3q9'],
  run: async ({ job }: Which, context: Context): Promise<void> => {
    const { output } = context;
    const resumed = await call(context, contract.resume, { job });
    output.json(resumed);
    output.line(`job ${resumed.job} continues`);
    output.hint('Watch it:  filer-client transfers --watch');
  },
};

export const cancel = {
  args,
  examples: ['cancel k3q9'],
  run: async ({ job }: Which, context: Context): Promise<void> => {
    const { output } = context;
    const cancelled = await call(context, contract.cancel, { job });
    output.json(cancelled);
    const { recipients } = cancelled;
    const who = `${counted(recipients, 'recipient')} ${recipients === 1 ? 'does' : 'do'}`;
    output.line(`job ${cancelled.job} is cancelled: ${who} not get it`);
    output.hint(`To continue it:  filer-client retry ${cancelled.job}`);
  },
};

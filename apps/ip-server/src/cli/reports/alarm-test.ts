import { EXIT_CODES } from '@filer/protocol';
import { flag, printable, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { asking } from '../asking.ts';

export const args = {
  hook: flag('only run the program that on-alarm names'),
  webhook: flag('only post to the webhook'),
};

export const examples = ['alarms test', 'alarms test --webhook'];

export async function run({ hook, webhook }: ArgumentValues<typeof args>, context: Context): Promise<number> {
  const { output } = context;
  const channels = [...(hook ? ['hook' as const] : []), ...(webhook ? ['webhook' as const] : [])];
  const [tested, alarms] = await asking(context, {}, async (server) => [
    await server.call(contract.alarmTest, channels.length === 0 ? {} : { channels }),
    (await server.call(contract.status, {})).alarms,
  ]);
  const { deliveries } = tested;
  const failed = deliveries.filter(({ ok }) => !ok);
  const exitCode = failed.length === 0 ? 0 : failed.length < deliveries.length ? EXIT_CODES.partial : 1;
  output.json({ ...tested, ok: exitCode === 0, exitCode });
  for (const { channel, ok, problem, durationMs } of deliveries) {
    const receiver = `${channel} ${printable((channel === 'hook' ? alarms.hook : alarms.webhook) ?? '')}`;
    if (ok) output.line(`${receiver}: the test alarm was delivered in ${durationMs} ms`);
    else output.warn(`${receiver}: the test alarm was not delivered: ${problem ?? ''}`);
  }
  return exitCode;
}

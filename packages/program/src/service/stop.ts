import type { Context } from '../command.ts';
import { stopDaemon } from './stop-daemon.ts';

export const examples = ['stop'];

export async function run(_args: object, context: Context): Promise<void> {
  const { output, program } = context;
  const stopped = await stopDaemon(context);
  output.json({ stopped: stopped !== undefined, pid: null, service: false, ...stopped });
  output.line(
    stopped === undefined
      ? `${program} is not running`
      : `${program} has stopped (it was process ${stopped.pid})`,
  );
  if (stopped?.service === true)
    output.warn(
      `it is a service, and starts again with this machine: \`${program} service remove\` ends that`,
    );
}

import type { Context } from '../command.ts';
import { serviceArguments, type ServiceArguments } from './arguments.ts';
import { scopeOf } from './place.ts';
import { removeService, serviceState } from './service.ts';

export const args = serviceArguments;

export const examples = ['service remove'];

export async function run(args: ServiceArguments, context: Context): Promise<void> {
  const { output, program } = context;
  const scope = scopeOf(args);
  const removed = await removeService(context, scope);
  output.json(removed ?? (await serviceState(context, scope)));
  output.line(
    removed === undefined
      ? `${program} is not installed as a service`
      : `the service ${program} has stopped and is removed; its home stays as it is`,
  );
}

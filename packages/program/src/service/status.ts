import type { Context } from '../command.ts';
import { serviceArguments, type ServiceArguments } from './arguments.ts';
import { scopeOf } from './place.ts';
import { serviceState } from './service.ts';

export const args = serviceArguments;

export const examples = ['service status'];

export async function run(args: ServiceArguments, context: Context): Promise<void> {
  const { output, calledAs } = context;
  const state = await serviceState(context, scopeOf(args));
  output.json(state);
  const { installed, enabled, active, unit } = state;
  output.line(
    installed
      ? `${active ? 'runs' : 'does not run'}, ${enabled ? 'starts with this machine' : 'does not start with this machine'}  (${unit})`
      : `not installed: ${calledAs} service install`,
  );
}

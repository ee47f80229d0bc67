import { command, type Command, type Context } from '../command.ts';

/** Ends the daemon of this home. */
export const stopCommand: Command = command(
  'stop',
  'end what runs here in order, and wait for it',
  () => import('./stop.ts'),
);

export interface ServiceOptions {
  /** Throws where the program would not run, before anything is installed. @default never */
  readonly requireReady?: (context: Context) => Promise<void>;
  /** What a person at a terminal types next. */
  readonly next: string;
}

/** Has systemd run a program. */
export function serviceCommands({ requireReady, next }: ServiceOptions): Command[] {
  return [
    command('service install', 'have systemd start it now and with the machine', async () => {
      const { args, examples, run } = await import('./install.ts');
      return {
        args,
        examples,
        run: async (values, context) => {
          await requireReady?.(context);
          await run(values, context);
          context.output.hint(next);
        },
      };
    }),
    command('service remove', 'stop the service and remove it', () => import('./remove.ts')),
    command('service status', 'show whether the service is installed and runs', () => import('./status.ts')),
  ];
}

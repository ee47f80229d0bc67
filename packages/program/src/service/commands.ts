import { defineCommand, type Command, type Context } from '../command.ts';
import { serviceArguments } from './arguments.ts';

/** Ends the daemon of this home. */
export const stopCommand: Command = defineCommand({
  usage: 'stop',
  describe: 'end what runs here in order, and wait for it',
  args: {},
  load: () => import('./stop.ts'),
});

export interface ServiceOptions {
  /** Throws where the program would not run, before anything is installed. @default never */
  readonly requireReady?: (context: Context) => Promise<void>;
  /** What a person at a terminal types next. */
  readonly next: string;
}

/** Has systemd run a program. */
export function serviceCommands({ requireReady, next }: ServiceOptions): Command[] {
  return [
    defineCommand({
      usage: 'service install',
      describe: 'have systemd start it now and with the machine',
      args: serviceArguments,
      load: async () => {
        const { run } = await import('./install.ts');
        return {
          run: async (args, context) => {
            await requireReady?.(context);
            await run(args, context);
            context.output.hint(next);
          },
        };
      },
    }),
    defineCommand({
      usage: 'service remove',
      describe: 'stop the service and remove it',
      args: serviceArguments,
      load: () => import('./remove.ts'),
    }),
    defineCommand({
      usage: 'service status',
      describe: 'show whether the service is installed and runs',
      args: serviceArguments,
      load: () => import('./status.ts'),
    }),
  ];
}

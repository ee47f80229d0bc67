import {
  linesSaid,
  passedOn,
  runnableProgram,
  runToEnd,
  type Environment,
  type Logger,
} from '@filer/program';
import type { AlarmRoute } from './alarm-sender.ts';
import { parsePayload } from './payload.ts';

export interface AlarmHookOptions {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** Absolute; the hook works there. */
  readonly folder: string;
  readonly environment: Environment;
  /** How many alarms wait for the hook. */
  readonly waiting: () => Promise<number>;
  readonly log: Logger;
}

/**
 * Runs a program of the server's owner for each alarm, one after the other. Never through a shell; what machines chose
 * (names of theirs and of their schedules) is in variables and on standard input only. A run that fails is not repeated:
 * no one knows what it has done already.
 *
 * @throws FilerError `configuration-invalid` when the program cannot be run
 */
export function hookRoute(options: AlarmHookOptions): AlarmRoute {
  const { timeoutMs, folder, environment, waiting, log } = options;
  const command = runnableProgram('on-alarm', options.command);
  return {
    channel: 'hook',
    atOnce: 1,
    retryForMs: 0,
    deliver: async ({ event, payload, id }, signal) => {
      const { data } = parsePayload(payload);
      const facts = { event, peer: data.peer, schedule: data.schedule };
      const { failure, timedOut } = await runToEnd({
        command,
        cwd: folder,
        env: {
          ...passedOn(environment, 'IP_SERVER_HOME'),
          FILER_ALARM: event,
          FILER_ALARM_ID: id,
          FILER_PEER: data.peer,
          FILER_PEER_ID: data.peerId,
          FILER_GROUPS: data.groups.join(','),
          FILER_SCHEDULE: data.schedule,
          FILER_DUE_AT: data.dueAt,
          FILER_LAST_REPORT_AT: data.lastReportAt ?? '',
          FILER_ALARMS_WAITING: String(Math.max(0, (await waiting()) - 1)),
        },
        timeoutMs,
        signal,
        input: [`${payload}\n`],
        onOutput: linesSaid((line) => log.info('on-alarm says', { ...facts, line })),
      });
      if (signal.aborted && failure !== undefined) {
        log.warn('on-alarm was ended with the server, and is run again', facts);
      } else if (failure === undefined) log.info('on-alarm was run', facts);
      return timedOut ? `on-alarm took longer than ${timeoutMs} ms, and was ended` : prefixed(failure);
    },
  };
}

function prefixed(failure: string | undefined): string | undefined {
  return failure === undefined ? undefined : `on-alarm failed: ${failure}`;
}

import { variable, type Environment, type Home, type Logger } from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import type { AlarmStore } from '../store/alarm-store.ts';
import { hookRoute } from './alarm-hook.ts';
import { SECRET_VARIABLE } from './alarm-settings.ts';
import type { AlarmRoute } from './alarm-sender.ts';
import { openWebhookSecret } from './webhook-secret.ts';
import { webhookRoute } from './webhook.ts';

export interface RouteSources {
  readonly home: Home;
  readonly settings: ServerSettings;
  readonly environment: Environment;
  readonly alarms: AlarmStore;
  readonly software: string;
  readonly log: Logger;
}

/**
 * Every way to tell somebody of alarms that the server's owner has set.
 *
 * @throws FilerError `configuration-invalid` for a program or secret that cannot be used
 */
export async function openRoutes(sources: RouteSources): Promise<AlarmRoute[]> {
  const { home, settings, environment, alarms, software, log } = sources;
  const { onAlarm, onAlarmTimeoutMs, webhook, webhookSecretFile } = settings;
  const routes: AlarmRoute[] = [];
  if (onAlarm !== undefined) {
    const waiting = (): Promise<number> => alarms.waiting('hook');
    const folder = home.identityFolder;
    routes.push(
      hookRoute({ command: onAlarm, timeoutMs: onAlarmTimeoutMs, folder, environment, waiting, log }),
    );
  }
  if (webhook !== undefined) {
    const secret = await openWebhookSecret(
      {
        variable: variable(environment, SECRET_VARIABLE),
        file: webhookSecretFile,
        homeFile: home.webhookSecretFile,
      },
      log,
    );
    routes.push(webhookRoute({ url: new URL(webhook), secret, software, now: Date.now }));
  }
  return routes;
}

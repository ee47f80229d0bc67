import { variable, type Environment, type Home } from '@filer/program';
import type { ServerSettings } from '../settings.ts';

/** The variable that holds a webhook's secret, where no file does. */
export const SECRET_VARIABLE = 'IP_SERVER_WEBHOOK_SECRET';

/** Who is told about alarms, as it may be shown: no secret is in it. */
export interface AlarmSettings {
  /** The program that is run; null without one. */
  readonly hook: string | null;
  /** Where is posted, without the path: of some receivers that is a secret. null without a webhook. */
  readonly webhook: string | null;
  /** The file with the secret that signs; null without a webhook, and when the secret is in a variable. */
  readonly webhookSecretFile: string | null;
}

export function shownAlarmSettings(
  { onAlarm, webhook, webhookSecretFile }: ServerSettings,
  home: Home,
  environment: Environment,
): AlarmSettings {
  const hasFile = webhook !== undefined && variable(environment, SECRET_VARIABLE) === undefined;
  return {
    hook: onAlarm?.[0] ?? null,
    webhook: webhook === undefined ? null : new URL(webhook).origin,
    webhookSecretFile: hasFile ? (webhookSecretFile ?? home.webhookSecretFile) : null,
  };
}

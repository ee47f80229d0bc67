import { variable, type Environment, type Home, type Logger } from '@filer/program';
import type { ServerSettings } from '../settings.ts';
import type { AlarmStore } from '../store/alarm-store.ts';
import { hookRoute } from './alarm-hook.ts';
import { SECRET_VARIABLE } from './alarm-settings.ts';
import type { AlarmRoute } from './alarm-sender.ts';
import { webhookRoute } from './webhook.ts';
import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { createSecretFile, FilerError, messageOf } from '@filer/protocol';

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

/** As the Standard Webhooks specification writes a secret. */
const SECRET = /^whsec_([A-Za-z0-9+/]+={0,2})$/;
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;
const NEW_SECRET_BYTES = 32;

const EXAMPLE = 'whsec_ and the base64 of 24 to 64 random bytes';

/** Where a webhook's secret stands. */
interface SecretSources {
  /** The value of the variable IP_SERVER_WEBHOOK_SECRET, if it is set. */
  readonly variable: string | undefined;
  /** A file that its owner has named. */
  readonly file: string | undefined;
  /** The file in the home, made when it is not there. */
  readonly homeFile: string;
}

/**
 * The secret that signs webhooks: the variable's, else that of the file, else one of our own in the home.
 *
 * @throws FilerError `configuration-invalid` when it cannot be used; `home-not-writable`, `no-space`
 */
async function openWebhookSecret(sources: SecretSources, log: Logger): Promise<Buffer> {
  const { variable, file, homeFile } = sources;
  if (variable !== undefined) return parseSecret(variable, 'the variable IP_SERVER_WEBHOOK_SECRET');
  if (file === undefined) {
    await createSecretFile(homeFile, `whsec_${randomBytes(NEW_SECRET_BYTES).toString('base64')}\n`);
  }
  return readSecret(file ?? homeFile, log);
}

async function readSecret(file: string, log: Logger): Promise<Buffer> {
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0)
      log.warn('others can read the secret of the webhook', { file, remedy: `chmod 600 ${file}` });
    return parseSecret(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof FilerError) throw error;
    throw new FilerError(
      'configuration-invalid',
      `cannot read the secret of the webhook: ${messageOf(error)}; webhook-secret-file names a file with ${EXAMPLE}`,
      { cause: error },
    );
  }
}

function parseSecret(text: string, where: string): Buffer {
  const bytes = Buffer.from(SECRET.exec(text.trim())?.[1] ?? '', 'base64');
  if (bytes.length >= MIN_SECRET_BYTES && bytes.length <= MAX_SECRET_BYTES) return bytes;
  throw new FilerError(
    'configuration-invalid',
    `${where} does not contain the secret of a webhook, which is ${EXAMPLE}`,
  );
}

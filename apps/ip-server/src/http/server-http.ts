import { hkdfSync } from 'node:crypto';
import { FilerError, type Identity } from '@filer/protocol';
import {
  openHttp,
  type EventRing,
  type Home,
  type HttpOptions,
  type HttpService,
  type Logger,
  type Methods,
} from '@filer/program';
import { contract } from '../api/contract.ts';
import type { ServerEventData } from '../api/contract/events.ts';
import type { ServerSettings } from '../settings.ts';
import type { ReportStore } from '../store/report-store.ts';
import type { ReportFolders } from '../uploads/report-folders.ts';
import { attachmentRoute } from './attachment-route.ts';
import type { AuditLog } from './audit-log.ts';
import { httpListen } from './http-settings.ts';
import { Metrics, type Measured } from './metrics.ts';
import { monitorRoutes } from './monitor-routes.ts';
import { ServedCertificate } from './served-certificate.ts';
import type { ServerTokens } from './server-tokens.ts';

/** The files of a certificate are looked at so often, in ms: who renews it does not wait long. */
const CERTIFICATE_LOOK_MS = 60_000;

export interface ServerHttpParts {
  readonly home: Home;
  readonly settings: ServerSettings;
  readonly identity: Identity;
  readonly version: string;
  readonly events: EventRing<ServerEventData>;
  readonly tokens: ServerTokens;
  readonly audit: AuditLog;
  readonly reports: Pick<ReportStore, 'get'>;
  readonly folders: ReportFolders;
  /** The folder of the built page. */
  readonly pages: string | undefined;
  readonly log: Logger;
}

/** What is asked of the running server. */
export interface Served {
  readonly methods: Methods;
  readonly measure: () => Promise<Measured>;
  /** Why it is not ready, in a word; undefined when it is. */
  readonly problem: () => Promise<string | undefined>;
}

/** The dashboard, the API and what monitors look at. */
export class ServerHttp {
  readonly #parts: ServerHttpParts;
  #service: HttpService | undefined;
  #metrics: Metrics | undefined;
  #certificate: ServedCertificate | undefined;
  #isOwn = false;
  #looks: NodeJS.Timeout | undefined;

  constructor(parts: ServerHttpParts) {
    this.#parts = parts;
  }

  /** How a browser on this machine gets there; undefined while nothing is served. */
  get url(): string | undefined {
    return this.#service?.url;
  }

  /** What is in work. */
  get told(): HttpService['told'] {
    return this.#service?.told ?? { calls: 0, streams: 0 };
  }

  /** SHA-256 of the certificate that the server has made itself. */
  get fingerprint(): string | undefined {
    return this.#isOwn ? this.#certificate?.fingerprint : undefined;
  }

  /** What is served with TLS; undefined without. */
  get certificate(): ServedCertificate | undefined {
    return this.#certificate;
  }

  /** @throws FilerError `port-in-use` for a port that was asked for, `address-unusable`, `usage` */
  async open({ methods, measure, problem }: Served): Promise<void> {
    const { home, settings, identity, version, events, tokens, audit, reports, folders, pages, log } =
      this.#parts;
    const served = await httpListen(settings, home);
    if (served === undefined) return;
    const metrics = await Metrics.open(measure, events);
    this.#metrics = metrics;
    const options: HttpOptions = {
      program: 'ip-server',
      title: 'filer ip-server',
      version,
      listen: served.listen,
      contract,
      methods,
      events,
      tokens,
      sessionKey: new Uint8Array(hkdfSync('sha256', identity.keyPem, '', 'filer http sessions', 32)),
      pages,
      routes: [attachmentRoute(reports, folders), ...monitorRoutes(metrics, problem)],
      onAnswer: metrics.answered,
      log,
      onFault: (why) => log.error('a request failed for a fault of this program', { why }),
      onDenied: (caller, path) => void this.#denied(audit.denied(caller, path.replace(/^\/(api\/)?/, ''))),
    };
    const service = await openOrElse(options, settings.httpPort === undefined);
    this.#service = service;
    const { tls } = served.listen;
    if (served.certificate === undefined || tls === undefined) return;
    const { isOwn, load } = served.certificate;
    const certificate = new ServedCertificate({
      tls,
      load,
      renew: (newer) => service.renew(newer),
      log,
      now: Date.now,
    });
    this.#certificate = certificate;
    this.#isOwn = isOwn;
    this.#looks = setInterval(() => void certificate.check(), CERTIFICATE_LOOK_MS);
    await certificate.check();
  }

  async close(): Promise<void> {
    clearInterval(this.#looks);
    await this.#service?.close();
    this.#metrics?.close();
  }

  async #denied(written: Promise<void>): Promise<void> {
    try {
      await written;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      this.#parts.log.warn('the audit log cannot be written', { why: error });
    }
  }
}

/** @param isAnyPort whether another port is as good as one that is taken */
async function openOrElse(options: HttpOptions, isAnyPort: boolean): Promise<HttpService> {
  try {
    return await openHttp(options);
  } catch (error) {
    if (!isAnyPort || !(error instanceof FilerError) || error.code !== 'port-in-use') throw error;
    return await openHttp({ ...options, listen: { ...options.listen, port: 0 } });
  }
}

import { X509Certificate } from 'node:crypto';
import { messageOf } from '@filer/protocol';
import type { HttpTls, Logger } from '@filer/program';

/** A certificate that has less left is named, in ms: two weeks are enough to renew it. */
const ENDS_SOON_MS = 14 * 24 * 3_600_000;

/** It is named in the log once in so long, in ms. */
const NAMED_EVERY_MS = 24 * 3_600_000;

export interface CertificateParts {
  /** What was served first. */
  readonly tls: HttpTls;
  /** Reads the files again, or makes the server's own again where it ends soon. @throws FilerError for what cannot be served */
  readonly load: () => Promise<HttpTls>;
  /** Serves another one from now on. */
  readonly renew: (tls: HttpTls) => void;
  readonly log: Logger;
  readonly now: () => number;
}

/** The certificate of a running server: one that was renewed is served without a restart, and one that ends soon is named. */
export class ServedCertificate {
  readonly #parts: CertificateParts;
  #tls: HttpTls;
  #certificate: X509Certificate;
  /** Why a newer one is not served. */
  #unusable: string | undefined;
  #namedAt: number | undefined;

  constructor(parts: CertificateParts) {
    this.#parts = parts;
    this.#tls = parts.tls;
    this.#certificate = new X509Certificate(parts.tls.cert);
  }

  /** SHA-256, for people to compare. */
  get fingerprint(): string {
    return this.#certificate.fingerprint256;
  }

  /** In ms since the epoch. */
  get endsAt(): number {
    return Date.parse(this.#certificate.validTo);
  }

  /** What a person has to do something about; undefined when nothing. */
  get problem(): string | undefined {
    const leftMs = this.endsAt - this.#parts.now();
    const until = new Date(this.endsAt).toISOString().slice(0, 10);
    if (this.#unusable !== undefined) return `the newer one is not served: ${this.#unusable}`;
    if (leftMs <= 0) return `it ended on ${until}: browsers refuse it, so renew it`;
    return leftMs < ENDS_SOON_MS ? `it ends on ${until}: renew it` : undefined;
  }

  /** Looks for a newer one. Never rejects: what cannot be served leaves the one that is. */
  async check(): Promise<void> {
    const { load, log } = this.#parts;
    try {
      const tls = await load();
      this.#unusable = undefined;
      if (tls.cert !== this.#tls.cert || tls.key !== this.#tls.key) this.#serve(tls);
    } catch (error) {
      // OpenSSL refuses some that were read, with errors of its own.
      const why = messageOf(error);
      if (this.#unusable !== why) this.#namedAt = undefined;
      this.#unusable = why;
    }
    const { problem } = this;
    const now = this.#parts.now();
    if (problem === undefined) this.#namedAt = undefined;
    else if (this.#namedAt === undefined || now - this.#namedAt >= NAMED_EVERY_MS) {
      this.#namedAt = now;
      log.warn('the certificate of the dashboard needs attention', { problem });
    }
  }

  #serve(tls: HttpTls): void {
    const certificate = new X509Certificate(tls.cert);
    this.#parts.renew(tls);
    this.#tls = tls;
    this.#certificate = certificate;
    this.#parts.log.info('the dashboard has a new certificate', {
      fingerprint: this.fingerprint,
      until: new Date(this.endsAt),
    });
  }
}

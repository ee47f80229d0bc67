import type { Environment, Home, Logger } from '@filer/program';
import type { ClientSettings } from '../settings.ts';

/** What a daemon is opened with. @see openDaemon */
export interface DaemonOptions {
  readonly home: Home;
  readonly settings: ClientSettings;
  readonly software: string;
  /** What a hook may see of it. */
  readonly environment: Environment;
  readonly log: Logger;
  /** The folder of the built page, absolute. @default the API alone is served */
  readonly pages?: string | undefined;
  /** What a job to several holds at least, for its recipients to pass it on. @default PASS_ON_FROM_BYTES */
  readonly passOnFromBytes?: number | undefined;
  /** How long others may measure throughput in each direction, in ms. @default MEASURE_MS */
  readonly measureMs?: number | undefined;
}

import type { Schema } from '@filer/program';
import { INBOX_TABLES, INBOX_TOPS } from './schema/inbox.ts';
import { DELIVERY_PATHS, JOB_TABLES, PAUSED_JOBS } from './schema/jobs.ts';
import { MACHINE_USE } from './schema/machine-use.ts';
import { NETWORK_TABLES } from './schema/network.ts';
import { REPORT_TABLES } from './schema/reports.ts';
import { ROLLOUT_NUMBERS, STAGE_STEPS, STAGE_TABLES } from './schema/stages.ts';
import { TEXT_TABLES } from './schema/texts.ts';
import { WATCH_REMOVALS, WATCH_TABLES } from './schema/watches.ts';

/**
 * The home's database: tables by theme in `schema/`. A version that was released is not changed, since homes have it;
 * a change is a further version.
 */
export const SCHEMA: Schema = {
  program: 'filer-client',
  applicationId: 0x66_69_6c_63, // "filc"
  remedy:
    'check the disk, then restore the home from a backup, or move the file away and filer-client makes a new one',
  replaceRemedy:
    'move it away, and filer-client makes a new one; the membership and all files stay, add shares and watches again',
  versions: [
    NETWORK_TABLES + TEXT_TABLES + REPORT_TABLES + INBOX_TABLES + JOB_TABLES + WATCH_TABLES + MACHINE_USE,
    PAUSED_JOBS,
    WATCH_REMOVALS,
    `
  CREATE TABLE page_sessions (
    id TEXT PRIMARY KEY,
    browser TEXT NOT NULL, -- that was let in to the page of this machine
    begun_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  `,
    INBOX_TOPS,
    STAGE_TABLES,
    ROLLOUT_NUMBERS,
    STAGE_STEPS,
    DELIVERY_PATHS,
  ],
};

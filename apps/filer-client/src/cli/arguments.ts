import { CONFLICTS } from '@filer/protocol';
import { choiceKind, defaulted, DURATION, flag, list, optional, RATE, textKind } from '@filer/program';
import { SCHEDULE_NAME } from '../schedule-kinds.ts';

/*
 * What can be typed after several commands. All else stands in the module of its command.
 */

export const onConflict = defaulted(
  choiceKind(CONFLICTS),
  'update',
  'what to do when the name already exists',
);
export const PEER = textKind('a name or an id', { value: 'peer', completes: 'peer' });
export const TARGET = textKind('a name, an id, @group or @all', { value: 'target', completes: 'target' });
export const JOB = textKind('the id of a job, or its beginning', { value: 'job', completes: 'job' });
export const FOLDER = textKind('a folder', { completes: 'folder' });
export const PATH = textKind('a path', { completes: 'file' });

export const into = optional(
  textKind('a folder such as reports/2026'),
  'folder at the recipients, below the one that their inbox has for this machine',
);
export const exclude = list(
  textKind('a pattern such as *.log'),
  'do not send files that match, as in a .gitignore (.filerignore files count too)',
);
export const wayArguments = {
  directOnly: flag('send from machine to machine only: no relay, no passing on'),
  relayOnly: flag('use a relay only, for example to test one'),
};
export const limit = optional(RATE, 'limit the total rate, for example 20MB/s');
export const timeoutMs = optional(DURATION, 'limit of the total time (default: no limit)');

export const OWN_SCHEDULE = { ...SCHEDULE_NAME, completes: 'schedule' };

import { collectMethods } from './contract/collects.ts';
import { eventMethods } from './contract/events.ts';
import { machineMethods } from './contract/machines.ts';
import { memberMethods } from './contract/members.ts';
import { reportMethods } from './contract/reports.ts';
import { serverMethods } from './contract/server.ts';
import { tokenMethods } from './contract/tokens.ts';

/** Everything that can be asked of an ip-server. */
export const contract = {
  ...serverMethods,
  ...memberMethods,
  ...machineMethods,
  ...reportMethods,
  ...collectMethods,
  ...eventMethods,
  ...tokenMethods,
};

import { tellEvents } from '@filer/program';
import type { eventMethods } from '../../api/contract/events.ts';
import type { OperationOf } from '../operation-context.ts';

export const events: OperationOf<typeof eventMethods.events> = ({ member }, params, call) =>
  tellEvents(member.events, params, call);

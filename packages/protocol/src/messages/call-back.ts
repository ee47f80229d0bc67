import { message } from './declaration.ts';
import { receiverToCaller } from './route.ts';

/** The receiver cannot open the connection that the sender asked for: the first one serves. */
export const noCallBackMessage = message({ type: 'no-call-back', routes: [receiverToCaller] });

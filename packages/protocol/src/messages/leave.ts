/* Who has left the network by its own wish. */
import { MAX_LEAVE_BYTES, MAX_LEAVES_BYTES, MAX_LEAVES_PER_MESSAGE } from '../limits.ts';
import { parseLeave, type Leave } from '../trust/leave.ts';
import { json } from './content.ts';
import { message } from './declaration.ts';
import { text } from './field.ts';
import { formatJson, listOf, parseJson } from './json.ts';
import { okMessage } from './ok.ts';
import { accepterToDialler, clientToServer, diallerToAccepter, peerToPeer, serverToClient } from './route.ts';

/** The member wishes to be one no longer, and has signed so. The signatures are not checked here. */
export const leaveMessage = message({
  type: 'leave',
  routes: [clientToServer],
  content: {
    shape: 'JSON `a signed leave`, or empty',
    limit: `${MAX_LEAVE_BYTES} bytes`,
    read: (content: Buffer, what: string): { readonly leave?: Leave } =>
      content.length === 0 ? {} : { leave: parseLeave(parseJson(content, what, MAX_LEAVE_BYTES)) },
    write: ({ leave }: { readonly leave?: Leave | undefined }) =>
      leave === undefined ? Buffer.alloc(0) : formatJson(leave),
  },
  answers: [okMessage],
});

/** Who has left, in order of id. The signatures are not checked here. */
export const leavesMessage = message({
  type: 'leaves',
  routes: [diallerToAccepter, accepterToDialler, clientToServer, serverToClient, peerToPeer],
  content: json({
    shape: '[a signed leave]',
    maxBytes: MAX_LEAVES_BYTES,
    read: (value, what) => ({
      leaves: listOf(value, what, MAX_LEAVES_PER_MESSAGE, (each) => parseLeave(each)),
    }),
    write: ({ leaves }: { readonly leaves: readonly Leave[] }) => leaves,
  }),
});

/** Who has left, with an id after this one? */
export const leavesGetMessage = message({
  type: 'leaves-get',
  routes: [accepterToDialler],
  header: { after: text({ pattern: /^[A-Z2-7]{0,52}$/ }) },
  answers: [leavesMessage],
});

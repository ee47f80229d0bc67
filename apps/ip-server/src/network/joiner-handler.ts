import {
  enrolMessage,
  enrolSignMessage,
  FilerError,
  formatDraft,
  formatEnrolled,
  goodbyeMessage,
  routed,
  Router,
  type Handler,
  type MembershipClaims,
} from '@filer/protocol';
import type { Logger } from '@filer/program';
import type { Enrolment } from './enrolment.ts';

/** Two questions and a goodbye, and as much again. */
const MAX_JOINER_MESSAGES = 6;

/** What a machine without a membership may ask: to become a member. */
export function joinerHandler(enrolment: Enrolment, id: string, log: Logger, now: () => number): Handler {
  let draft: MembershipClaims | undefined;
  const router = new Router({ on: 'join', as: 'server' })
    .on(enrolMessage, async (enrol) => {
      draft = await enrolment.draft(id, enrol, now());
      return formatDraft(draft);
    })
    .on(enrolSignMessage, async (signed) => {
      if (draft === undefined) throw new FilerError('unexpected-message', 'enrol-sign came before enrol');
      const enrolled = await enrolment.sign(id, draft, signed, now());
      draft = undefined;
      const { name, groups, invite } = enrolled.membership;
      log.info('peer joined', { peer: name, id, groups, invite });
      return formatEnrolled(enrolled);
    })
    .on(goodbyeMessage, () => undefined);
  const handle = routed(router, {});
  let messages = 0;
  return (message, session) => {
    if (++messages <= MAX_JOINER_MESSAGES) return handle(message, session);
    session.messenger.reject(
      new FilerError('rate-limited', `a join takes less than ${MAX_JOINER_MESSAGES} messages: join again`),
    );
    return undefined;
  };
}

import { arrayOf, method, NO_PARAMS, text } from '@filer/program';
import * as v from 'valibot';

/** A browser that has opened a link to the page of this machine. */
const pageSession = v.object({
  id: v.string(),
  /** As the browser calls itself. */
  browser: v.string(),
  begunAt: v.string(),
  /** To within a minute. */
  usedAt: v.string(),
  expiresAt: v.string(),
});
export type PageSessionLine = v.InferOutput<typeof pageSession>;

export const pageMethods = {
  /** The page of this machine is served from now on. The link lets browsers of this machine in. */
  open: method('open', { params: NO_PARAMS, result: v.object({ url: v.string() }) }),

  /** Oldest first. */
  pageSessions: method('page-sessions', {
    params: NO_PARAMS,
    result: v.object({ sessions: arrayOf(pageSession) }),
  }),

  /** Ends a session and its streams at once. @param id @default all, and every link that was not opened yet */
  pageSessionEnd: method('page-session-end', {
    params: v.object({ id: v.exactOptional(text(64)) }),
    result: v.object({ ended: arrayOf(pageSession) }),
  }),
};

import { FilerError } from '@filer/protocol';
import { iso } from '@filer/program';
import type { PageSessionLine, pageMethods } from '../../api/contract/page.ts';
import type { PageSession } from '../../store/page-session-store.ts';
import type { OperationOf } from '../operation-context.ts';

/** `open` */
export const open: OperationOf<typeof pageMethods.open> = async ({ daemon }) => ({
  url: await daemon.openPage(),
});

/** `open --list` */
export const pageSessions: OperationOf<typeof pageMethods.pageSessions> = ({ member }) => ({
  sessions: member.pageSessions.all().map(lineOf),
});

/** `open --revoke` */
export const pageSessionEnd: OperationOf<typeof pageMethods.pageSessionEnd> = ({ daemon }, { id }) => {
  const ended = daemon.endPageSessions(id);
  if (id !== undefined && ended.length === 0) {
    throw new FilerError(
      'usage',
      `no browser has a session with the id ${JSON.stringify(id)}: \`filer-client open --list\` shows them`,
    );
  }
  return { ended: ended.map(lineOf) };
};

function lineOf({ id, browser, begunAt, usedAt, expiresAt }: PageSession): PageSessionLine {
  return { id, browser, begunAt: iso(begunAt), usedAt: iso(usedAt), expiresAt: iso(expiresAt) };
}

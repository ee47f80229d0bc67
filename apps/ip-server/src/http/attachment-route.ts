import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { FilerError, systemCode, type Attachment } from '@filer/protocol';
import type { Route, RouteRequest } from '@filer/program';
import type { ReportStore } from '../store/report-store.ts';
import type { ReportFolders } from '../uploads/report-folders.ts';

/** Pieces in which a file is read. */
const PIECE_BYTES = 256 * 1024;

/** The files of reports: for a browser something to save, never to show, whatever a machine has called it. */
export function attachmentRoute(
  reports: Pick<ReportStore, 'get'>,
  folders: Pick<ReportFolders, 'of'>,
): Route {
  return {
    method: 'GET',
    path: '/api/attachments/:report/:name',
    access: 'read',
    describe: 'a file of a report',
    gives: 'application/octet-stream',
    handle: async ({ params, signal }: RouteRequest): Promise<Response> => {
      const { report: id = '', name = '' } = params;
      const stored = await reports.get(id);
      const attachment = stored?.report.attachments?.find((each) => each.name === name);
      if (stored === undefined || attachment === undefined) throw missing(name, id);
      const { peer, report } = stored;
      const folder = await folders.of({ peer, spool: report.spool, seq: report.seq });
      const handle = await opened(folder, attachment);
      if (handle === undefined) throw missing(name, id);
      const content = handle.createReadStream({ highWaterMark: PIECE_BYTES });
      signal.addEventListener('abort', () => content.destroy(), { once: true });
      return new Response(ReadableStream.from(content), {
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': String(attachment.size),
          'content-disposition': `attachment; filename*=UTF-8''${encoded(attachment.name)}`,
        },
      });
    },
  };
}

/** Names of files came as those of the report, which a store may have from an older version: none leads elsewhere. */
async function opened(folder: string, { name, size }: Attachment): Promise<FileHandle | undefined> {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name)) return undefined;
  try {
    const handle = await open(
      join(folder, name),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
    const stat = await handle.stat();
    if (stat.isFile() && stat.size === size) return handle;
    await handle.close();
    return undefined;
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    return undefined;
  }
}

/** As RFC 8187 wants it. */
function encoded(name: string): string {
  return encodeURIComponent(name).replaceAll(
    /['()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function missing(name: string, report: string): FilerError {
  return new FilerError(
    'no-such-report',
    `there is no file ${JSON.stringify(name)} of a report ${JSON.stringify(report)}: it may have been removed for its age`,
  );
}

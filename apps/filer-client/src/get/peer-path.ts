import { FilerError } from '@filer/protocol';
import { parseSafePath } from '@filer/transfer';

/** Something in a peer's shares, as a person names it. */
export interface PeerPath {
  readonly peer: string;
  /** `SHARE/path/below`; empty for all its shares. */
  readonly path: string;
}

/**
 * Reads `PEER:PATH`, or `PEER` for all that it offers.
 *
 * @throws FilerError `usage`
 */
export function parsePeerPath(text: string): PeerPath {
  const colon = text.indexOf(':');
  const peer = colon < 0 ? text : text.slice(0, colon);
  const path = colon < 0 ? '' : text.slice(colon + 1).replace(/\/+$/, '');
  if (peer === '' || peer.startsWith('@')) {
    throw new FilerError(
      'usage',
      `${JSON.stringify(text)} does not name a single peer: write PEER:SHARE/path`,
    );
  }
  if (path === '') return { peer, path };
  try {
    parseSafePath(path);
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    throw new FilerError('usage', `${error.message}; write PEER:SHARE/path`, { cause: error });
  }
  return { peer, path };
}

/** The same for something in one share. @throws FilerError `usage` */
export function parseSharedPath(text: string): PeerPath & { readonly name: string } {
  const { peer, path } = parsePeerPath(text);
  if (path !== '') return { peer, path, name: path.slice(path.lastIndexOf('/') + 1) };
  throw new FilerError(
    'usage',
    `say which share of ${peer}: write ${peer}:SHARE/path; \`filer-client ls ${peer}\` shows them`,
  );
}

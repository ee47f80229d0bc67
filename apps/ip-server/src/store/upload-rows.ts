import type { Attachment } from '@filer/protocol';
import { integerIn, textIn, type Row } from '@filer/program';
import type { Upload } from './attachment-store.ts';

export function uploadOf(row: Row): Upload {
  const state = textIn(row, 'state');
  return {
    number: integerIn(row, 'number'),
    peer: textIn(row, 'peer'),
    spool: textIn(row, 'spool'),
    seq: integerIn(row, 'seq'),
    bytes: integerIn(row, 'bytes'),
    files: integerIn(row, 'files') + 1,
    server: row['server'] === undefined ? undefined : textIn(row, 'server'),
    state: state === 'reported' || state === 'gone' ? state : 'open',
  };
}

export function attachmentOf(row: Row): Attachment {
  return { name: textIn(row, 'name'), size: integerIn(row, 'size'), digest: textIn(row, 'digest') };
}

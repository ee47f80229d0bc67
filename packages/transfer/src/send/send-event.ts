import type { ErrorCode, Extra } from '@filer/protocol';
import type { FileResult } from '../wire/outcome.ts';

/** What happens while files are sent. Names are this machine's own. */
export type SendEvent =
  | { readonly type: 'started'; readonly entry: number; readonly name: string; readonly size: number }
  | {
      readonly type: 'progress';
      readonly entry: number;
      readonly name: string;
      /** Where it is here. */
      readonly file: string;
      /** Of this file. */
      readonly fileBytes: number;
      readonly fileSize: number;
      /** Content bytes put on the wire, of all files; those of a file that is sent again count twice. */
      readonly bytesSent: number;
      /** Bytes that went or are there already, of all files that have not failed. */
      readonly bytesDone: number;
      readonly bytesTotal: number;
      /** Files and links that have their result. */
      readonly filesDone: number;
      readonly filesTotal: number;
      /** Whether the totals are final: everything was found. */
      readonly complete: boolean;
    }
  /** A folder is there; `path` is relative to the receiver's inbox. */
  | { readonly type: 'folder'; readonly name: string; readonly path: string }
  /** The receiver has removed something that is no longer here. */
  | { readonly type: 'removed'; readonly file: string; readonly extra: Extra }
  /** The receiver keeps something that is no longer here, or, of a named folder, all of that. */
  | {
      readonly type: 'not-removed';
      readonly file: string;
      readonly code: ErrorCode;
      readonly message: string;
    }
  /** A link inside a folder stays here; why, where it could not go. */
  | { readonly type: 'left-out'; readonly file: string; readonly name: string; readonly why?: string }
  /** A person at the other end was asked, and has not answered. */
  | { readonly type: 'waiting' }
  | { readonly type: 'file'; readonly file: string; readonly result: FileResult };

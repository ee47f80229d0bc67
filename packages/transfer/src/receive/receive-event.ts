import type { Offer } from '@filer/protocol';
import type { FileResult } from '../wire/outcome.ts';

/** What happens while files are received. Names are another machine's: escape them. */
export type ReceiveEvent =
  | { readonly type: 'offered'; readonly offer: Offer }
  | { readonly type: 'started'; readonly entry: number; readonly name: string; readonly size: number }
  | {
      readonly type: 'progress';
      readonly entry: number;
      readonly name: string;
      readonly fileBytes: number;
      readonly fileSize: number;
      readonly bytesReceived: number;
      /** Of what was announced. */
      readonly bytesTotal: number;
      readonly filesTotal: number;
      /** Whether all was announced. */
      readonly complete: boolean;
    }
  /** A link stays at the sender, and why. */
  | { readonly type: 'left-out'; readonly name: string; readonly why: string }
  | { readonly type: 'file'; readonly result: FileResult };

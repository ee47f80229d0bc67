import type { ReceiptFile, StageWord } from '@filer/protocol';
import type { Standing } from './ownership.ts';

/** A hidden folder beside the files that it is to replace, which one job fills. */
export interface Stage extends Disposable {
  /** Its name, in the folder that the files are to go to. @see STAGE_PREFIX */
  readonly hidden: string;
  /** Whether a file that did not change may become a second name of the one that is there. */
  readonly mayLink: boolean;
  /**
   * It is agreed to, and filled from now on, until it is sealed or disposed of.
   *
   * @throws FilerError why it is not staged after all
   */
  begin(): void;
  /** Notes files that are in it, before their receipts are given; one may come twice. */
  note(files: readonly ReceiptFile[]): void;
  /**
   * All that was announced is in it.
   *
   * @param stands whether a path, relative to the inbox, was announced; what was not is what an earlier try left
   * @throws FilerError why it cannot be released
   */
  seal(stands: (path: string) => Standing): Promise<StageWord>;
}

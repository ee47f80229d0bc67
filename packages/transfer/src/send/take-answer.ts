import { FilerError, type EntryAnswer, type OnConflict } from '@filer/protocol';
import { asTold, outOfPlace } from '../wire/ending.ts';
import type { SentFile } from './sent-file.ts';
import { isInsideInbox } from '../disk/safe-path.ts';
import type { SentEntries } from './sent-entries.ts';

/** What a receiver may answer, beside that it wants a file, has it, or refuses it. */
export interface AnswerRules {
  /** The receiver, for people. */
  readonly who?: string | undefined;
  /** What to do when the name already exists. @default rename */
  readonly onConflict?: OnConflict | undefined;
  /**
   * Whether the receiver fetches: it may leave entries out, and its own conflict rule decides.
   *
   * @default false: everything that is announced is refused, made, or proved by a receipt
   */
  readonly receiverChooses?: boolean | undefined;
}

/**
 * Takes the receiver's answer to one entry, if that answer is one for this kind of entry and this direction.
 *
 * @returns whether the file goes
 * @throws FilerError `unexpected-message`, `message-malformed`
 */
export function takeAnswer(
  file: SentFile,
  answer: EntryAnswer,
  entries: SentEntries,
  rules: AnswerRules,
): boolean {
  file.isAnswered = true;
  if ('path' in answer && !isInsideInbox(answer.path))
    throw new FilerError('message-malformed', 'an answer of the receiver has no path inside an inbox');
  const { kind } = file.source;
  switch (answer.answer) {
    case 'refused':
      entries.failed(file.entry, asTold(answer, rules), 'peer');
      return false;
    case 'unwanted':
      if (rules.receiverChooses !== true) throw outOfPlace('leaving out what was not fetched');
      entries.leftOut(file);
      return false;
    case 'made':
      if (kind === 'file') throw outOfPlace('an answer that a file was made');
      entries.told(file, { status: 'delivered', path: answer.path });
      return false;
    case 'have':
      takeHave(file, answer, entries, rules);
      return false;
    case 'check':
    case 'resume':
    case 'want':
      if (kind !== 'file') throw outOfPlace(`wanting a ${kind}`);
      file.hasBasis = answer.answer !== 'want' && answer.bytes > 0;
      if (answer.answer === 'check') file.files = answer.files;
      return true;
  }
}

function takeHave(
  file: SentFile,
  { path, receipt, kept }: EntryAnswer & { readonly answer: 'have' },
  entries: SentEntries,
  { onConflict, receiverChooses }: AnswerRules,
): void {
  const { kind } = file.source;
  const mayKeep = onConflict === 'skip' || onConflict === 'newer' || receiverChooses === true;
  if (kind === 'dir') throw outOfPlace('an answer that a folder needs not be made');
  if (receipt === true) {
    if (kind !== 'file') throw outOfPlace(`a receipt for a ${kind}`);
    if (file.known === undefined) throw outOfPlace('having a file whose content was not named');
    file.there = file.known; // settled by its receipt
  } else {
    const isKept = kind === 'file' || kept === true;
    if (isKept && !mayKeep) throw outOfPlace(`keeping another ${kind} without a receipt`);
    entries.told(file, { status: 'skipped', ...(isKept ? { kept: true } : {}), path });
  }
}

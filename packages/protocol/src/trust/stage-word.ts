import { FilerError } from '../errors.ts';
import { textOf } from '../messages/json.ts';
import { JOB_PATTERN } from '../messages/transfer-fields.ts';
import {
  id,
  idOfKeyText,
  integer,
  publicKey,
  requireTrue,
  signedKind,
  toText,
  type DocumentField,
  type Signed,
} from './document.ts';
import type { KeyPair } from './keys.ts';

/** `staged`: whole, verified and hidden. `released`: under its names. `rolled-back`: what was there before has its names again. */
export const STAGE_WORDS = ['staged', 'released', 'rolled-back'] as const;
export type StageState = (typeof STAGE_WORDS)[number];

const state: DocumentField<StageState> = (value, what) => {
  const found = STAGE_WORDS.find((each) => each === value);
  if (found === undefined) throw new FilerError('message-malformed', `${what} is not a state of a stage`);
  return found;
};
const jobId: DocumentField<string> = (value, what) => textOf(value, what, { pattern: JOB_PATTERN });

const kind = signedKind('stage', 'a word about a staged job', {
  network: id,
  job: jobId,
  sender: id,
  receiver: id,
  state,
  time: integer(),
  files: integer(),
  bytes: integer(),
  removed: integer(),
  publicKey,
});

/** The receiver's signed word about a job that was sent with `--stage`. */
export type StageWord = ReturnType<typeof kind.parse>;
export type StageClaims = Omit<StageWord, 'publicKey' | 'signature' | 'receiver'>;

export function signStageWord(claims: StageClaims, receiver: KeyPair): Signed<StageWord> {
  return kind.signParsed(receiver, {
    ...claims,
    receiver: receiver.id,
    publicKey: toText(receiver.publicKey),
  });
}

/** @throws FilerError `message-malformed`; the signature is not checked here */
export const parseStageWord = (value: unknown): StageWord => kind.parse(value);

/**
 * Whether a word, from the wire or from storage, is its receiver's, and about this job.
 *
 * @throws FilerError `signature-invalid`
 */
export function verifyStageWord(
  word: StageWord,
  expected: Pick<StageWord, 'network' | 'job' | 'sender' | 'receiver'>,
): void {
  const what = `the word about the staged job ${expected.job}`;
  for (const key of ['network', 'job', 'sender', 'receiver'] as const)
    requireTrue(word[key] === expected[key], what, `it names another ${key}`);
  requireTrue(
    idOfKeyText(word.publicKey) === word.receiver,
    what,
    "it holds a key that is not its receiver's",
  );
  requireTrue(kind.holds(word, word.publicKey), what, 'it was altered, or its receiver has not signed it');
}

import { formatBytes, printable, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';

export interface AnswerRequest {
  readonly accept: boolean;
  readonly ids: readonly string[];
  readonly all: boolean;
  readonly from: string | undefined;
  readonly reason: string | undefined;
}

/** Answers offers, and says of each what happens now. */
export async function answer(request: AnswerRequest, context: Context): Promise<void> {
  const { output } = context;
  const result = await call(context, contract.answerOffers, request);
  output.json(result);
  for (const { from, files, size, names, state, present, refusals } of result.offers) {
    const what = `${from}: ${contentsOf(names, files, size)}`;
    const comes = present ? 'it comes now' : `it comes when ${from} sends it again`;
    output.line(`${state} ${what}${state === 'accepted' ? `; ${comes}` : ''}`);
    if (state === 'accepted') for (const line of refusalLines(refusals)) output.line(line);
  }
}

/** A line for each thing that will be refused, whatever a person says. Names in it are another machine's. */
export function refusalLines(refusals: readonly { readonly message: string }[]): string[] {
  return refusals.map(({ message }) => `  refused here: ${printable(message)}`);
}

/** `a.txt, b.txt (2 files, 3 MB)` */
export function contentsOf(names: readonly string[], files: number, bytes: number): string {
  const shown = names.slice(0, 3).map(printable);
  const more = names.length > shown.length ? ', …' : '';
  return `${shown.join(', ')}${more} (${files === 1 ? '1 file' : `${files} files`}, ${formatBytes(bytes)})`;
}

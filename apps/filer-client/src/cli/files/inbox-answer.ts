import {
  flag,
  formatBytes,
  list,
  optional,
  printable,
  textKind,
  type ArgumentValues,
  type Context,
  type TypesOf,
} from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import { PEER } from '../arguments.ts';

const args = {
  ids: list(textKind('an id, or its beginning', { completes: 'offer' }), 'which offers'),
  all: flag('all offers that wait'),
  from: optional(PEER, 'all offers of this machine that wait'),
};
type Which = ArgumentValues<typeof args>;

export const accept = {
  args,
  examples: ['inbox accept 3f2a', 'inbox accept --from bob', 'inbox accept --all'],
  run: (which: Which, context: Context) => answer({ ...which, accept: true, reason: undefined }, context),
};

const reason = optional(textKind('a text'), 'the reason, which is sent to the sender');

export const decline = {
  args: { ...args, reason },
  examples: ['inbox decline 3f2a --reason "not today"'],
  run: (which: Which & { readonly reason: string | undefined }, context: Context) =>
    answer({ ...which, accept: false }, context),
};

/** Answers offers, and says of each what happens now. */
async function answer(
  request: TypesOf<typeof contract.answerOffers>['params'],
  context: Context,
): Promise<void> {
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

import { setImmediate as turn } from 'node:timers/promises';

/** Elements that are written in one go: a few ms. The only thread of a daemon has others to serve. */
const ELEMENTS_A_TURN = 500;

/** The JSON of a document; a long list in it is written in turns. */
export async function jsonInTurns(value: unknown): Promise<Buffer> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return Buffer.from(JSON.stringify(value));
  const pieces: Buffer[] = [];
  let opener = '{';
  for (const [key, field] of Object.entries(value)) {
    if (field === undefined) continue;
    const name = `${opener}${JSON.stringify(key)}:`;
    opener = ',';
    if (!Array.isArray(field) || field.length <= ELEMENTS_A_TURN) {
      pieces.push(Buffer.from(name + JSON.stringify(field)));
      continue;
    }
    pieces.push(Buffer.from(`${name}[`));
    for (let from = 0; from < field.length; from += ELEMENTS_A_TURN) {
      // The elements of a part of it, without its brackets.
      const part = JSON.stringify(field.slice(from, from + ELEMENTS_A_TURN)).slice(1, -1);
      pieces.push(Buffer.from(from === 0 ? part : `,${part}`));
      await turn();
    }
    pieces.push(Buffer.from(']'));
  }
  pieces.push(Buffer.from(opener === '{' ? '{}' : '}'));
  return Buffer.concat(pieces);
}

/** Of more machines than this the first are named, and the others counted. */
const MAX_NAMES = 20;

/** Reasons that are told about one command: another machine can give each file one of its own. */
const MAX_GROUPS = 1_000;

interface Group {
  readonly names: Set<string>;
  /** Of the first machine that it holds for. */
  readonly first: string;
  readonly why: string;
  /** Of machines that do not answer: how they stand, such as `offline`. */
  readonly presence: string | undefined;
}

/** Why several machines failed: each reason once, with the names of all machines that it holds for. */
export class GroupedReasons {
  readonly #groups = new Map<string, Group>();
  #leftOut = 0;

  /** @param why a sentence, with or without the name of the machine */
  add(name: string, why: string, code: string | null): void {
    const presence = code === 'peer-unreachable' ? presenceIn(why) : undefined;
    const key = presence === undefined ? withoutName(name, why) : `does not answer: ${presence}`;
    const group = this.#groups.get(key);
    if (group !== undefined) group.names.add(name);
    else if (this.#groups.size >= MAX_GROUPS) this.#leftOut++;
    else this.#groups.set(key, { names: new Set([name]), first: name, why, presence });
  }

  sentences(): string[] {
    const told = [...this.#groups.values()].map(sentenceOf);
    return this.#leftOut === 0
      ? told
      : [...told, `${this.#leftOut} more reasons are left out: --json tells all`];
  }
}

/** A reason with the machine that it is about. */
export function reasonOf(name: string, why: string): string {
  return why.startsWith(`${name} `) ? why : `${name}: ${why}`;
}

/** `anna, bob and carol`; of many the first, and how many more. */
export function namesInWords(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  const shown = more > 1 ? [...names.slice(0, MAX_NAMES), `${more} more`] : names;
  return [shown.slice(0, -1).join(', '), shown.at(-1) ?? ''].filter((part) => part !== '').join(' and ');
}

function sentenceOf({ names, first, why, presence }: Group): string {
  if (names.size === 1) return reasonOf(first, why);
  const all = namesInWords([...names]);
  if (presence === undefined) return `${all}: ${withoutName(first, why)}`;
  const remedy = /; ((?:`filer-client retry|with --queue) .*)$/
    .exec(why)?.[1]
    ?.replace(`${first} is back`, 'they are back');
  return `${all} do not answer (${presence})${remedy === undefined ? '' : `; ${remedy}`}`;
}

/** `offline` of `bob does not answer (offline, last seen …): …`. */
function presenceIn(why: string): string | undefined {
  return /^\S+ does not answer \((offline|online|no word of it)/.exec(why)?.[1];
}

/** What it says of any machine: the same for each that it holds for. */
function withoutName(name: string, why: string): string {
  const rest = why.startsWith(`${name} `) || why.startsWith(`${name}: `) ? why.slice(name.length) : why;
  return rest.replace(/^:? /, '').replaceAll(new RegExp(`(?<![a-z0-9-])${name}(?![a-z0-9-])`, 'g'), 'it');
}

import { isIP } from 'node:net';

/** What is known to name somebody or something: what stands for it, and the texts. Longer texts are replaced first. */
export interface Named {
  /** What it is called instead, with a number: `machine`. */
  readonly as: string;
  readonly texts: Iterable<string>;
}

const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]+-----[^]*?(?:-----END [A-Z ]+-----|$)/g, '[secret]'],
  [/filer:\/\/\S+/g, '[invite]'],
  [/(?<=\/\/)[^/\s:@]+:[^/\s@]+(?=@)/g, '[secret]'],
];

/** What could be a key or a token, whatever it is. */
const LONG = /(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{40,}(?![A-Za-z0-9_-])/g;

/** So much of an id is shown where it is shortened. */
const SHOWN_ID = 12;

const ID = /(?<![A-Za-z0-9_-])[A-Z2-7]{12,52}…?(?![A-Z2-7a-z0-9_-])/g;
const IPV4 = String.raw`(?:[0-9]{1,3}\.){3}[0-9]{1,3}`;
const IPV6 = `[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}`;
const ADDRESS = new RegExp(
  String.raw`(?<![\w.:])(?:${IPV6}:${IPV4}|${IPV6}(?![\w:.])|${IPV4}(?!\.?[0-9]))`,
  'g',
);
const HOST_AND_PORT =
  /(?<![\w.-])(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?\.)+[a-zA-Z][a-zA-Z0-9-]*(?=:[0-9]{1,5}\b)/g;

/** Words that name no one. */
const PUBLIC = new Set(['127.0.0.1', '::1', '::', '0.0.0.0', 'localhost']);

/**
 * Replaces what names people, machines and places in a text, and what may be a secret: the same name by the same word
 * throughout, so that what belongs together is still seen.
 */
export class Redactor {
  readonly #known: readonly (readonly [text: string, as: string])[];
  readonly #words = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  constructor(named: readonly Named[]) {
    this.#known = named
      .flatMap(({ as, texts }) => [...texts].map((text) => [text, as] as const))
      .filter(([text]) => text.length > 1)
      .toSorted(([a], [b]) => b.length - a.length);
  }

  /** How many names of each kind were replaced. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  text(text: string): string {
    let redacted = text;
    for (const [pattern, word] of SECRETS) redacted = redacted.replace(pattern, word);
    redacted = redacted.replace(ID, (id) => this.#word('id', id.slice(0, SHOWN_ID))).replace(LONG, '[long]');
    for (const [known, as] of this.#known) {
      if (!redacted.includes(known)) continue;
      redacted = redacted.replace(whole(known), () => this.#word(as, known));
    }
    redacted = redacted.replace(HOST_AND_PORT, (host) => this.#word('host', host));
    return redacted.replace(ADDRESS, (address) =>
      isIP(address) === 0 || PUBLIC.has(address) ? address : this.#word('address', address),
    );
  }

  /** The same for all texts of a JSON value. Its keys are ours. */
  value(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((each: unknown) => this.value(each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.value(each)]));
  }

  #word(as: string, text: string): string {
    const key = `${as} ${text}`;
    const known = this.#words.get(key);
    if (known !== undefined) return known;
    const count = (this.#counts.get(as) ?? 0) + 1;
    this.#counts.set(as, count);
    const word = `${as}-${count}`;
    this.#words.set(key, word);
    return word;
  }
}

/** A text where it is not a part of a longer word. */
function whole(text: string): RegExp {
  const escaped = text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
  return new RegExp(`(?<![A-Za-z0-9])${escaped}(?![A-Za-z0-9])`, 'g');
}

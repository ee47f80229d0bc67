import { isIP } from 'node:net';

/** What is known to name somebody or something: what stands for it, and the texts. Longer texts are replaced first. */
export interface Named {
  /** What it is called instead, with a number: `machine`. */
  readonly as: string;
  readonly texts: Iterable<string>;
}

const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]+-----[^]*?(?:-----END [A-Z ]+-----|$)/g, '[secret]'],
  [/filer:\/\/\S+/gi, '[invite]'],
  // What stands behind such a word, however short it is.
  [
    /(?<=(?:password|passwd|secret|token|api[-_]?key)["']?\s*[=:]\s*)(?:"[^"\n]*"|'[^'\n]*'|[^\s'",;}\]]+)/gi,
    '[secret]',
  ],
  [/(?<=\b(?:bearer|authorization: *basic) +)[\w.~+/=-]{6,}/gi, '[secret]'],
];

/** Who, where, and what behind it: the first and the last may be secrets. A password may hold any character. */
const URL_PARTS =
  /(?<=\b[a-z][a-z0-9+.-]*:\/\/)(\S+@)?(\[[^\]\s]*\]|[^\s'"`:/?#[\],;]+)?(:[0-9]+)?([/?#][^\s'"`]*)?/g;
const URL_END = /[:;,.)]+$/;

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
const HOST_AND_PORT = /(?<![\w.:/-])[a-zA-Z_][\w.-]*(?=:[0-9]{2,5}\b)/g;
const HOST = /(?<![\w.-])(?:[a-zA-Z0-9_](?:[\w-]*[a-zA-Z0-9_])?\.)+([a-zA-Z]{2,})(?![\w-]|\.\w)/g;
const NOT_FOUND = /(?<=\b(?:ENOTFOUND|EAI_AGAIN) )[\w.-]+/g;

/** Names of files that look like hosts. */
const EXTENSIONS = new Set(['conf', 'db', 'js', 'json', 'log', 'md', 'pem', 'service', 'sock', 'toml', 'ts']);

const QUOTED_PATH = /(?<=(['"`]))\/[^'"`\n]+(?=\1)/g;
/** Of a path without quotes the end is not seen, as it may have spaces: the words behind it are replaced, too, up to a mark. */
const BEHIND = String.raw`(?:[^\s'"\`,;:()\\]|:(?!\s|$)|[^\S\n]+(?![^\S\n'"\`,;()]))*`;
const PATH = new RegExp(String.raw`(?<![\w.:/~\]-])\/(?=\S)${BEHIND}[^\s'"\`,;:.()]`, 'g');

/** Behind a folder that is known. */
const BELOW = String.raw`(\/${BEHIND}(?<![\s.]))?`;

const QUOTED = /"([^"\n]*)"/g;

/** What is quoted and may name a file. */
const LIKE_A_FILE = /\s|\.[A-Za-z0-9]{1,8}$/;

/** A word that stands for something, in a text. */
const GIVEN = /\[[a-z]+\]|\b[a-z]+-[0-9]+\b/;

/** Folders of the system, the same on each machine. */
const SYSTEM_PATH = /^\/(?:proc|sys|dev)\//;

/** Words that name no one. */
const PUBLIC = new Set(['127.0.0.1', '::1', '::', '0.0.0.0', 'localhost']);

/**
 * Replaces what names people, machines and places in a text, and what may be a secret: the same name by the same word
 * throughout, so that what belongs together is still seen.
 */
export class Redactor {
  readonly #known: readonly (readonly [text: string, as: string])[];
  readonly #words = new Map<string, string>();
  /** Words that stand for something. */
  readonly #given = new Set<string>();
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
    redacted = redacted.replace(URL_PARTS, (...[, ...parts]: [string, ...(string | undefined)[]]) =>
      this.#url(parts),
    );
    redacted = redacted.replace(ID, (id) => this.#word('id', id.slice(0, SHOWN_ID))).replace(LONG, '[long]');
    for (const [known, as] of this.#known) {
      if (!redacted.includes(known)) continue;
      redacted = redacted.replace(
        whole(known),
        (_, below: unknown) => this.#word(as, known) + (typeof below === 'string' ? pathWord(below) : ''),
      );
    }
    redacted = redacted.replace(QUOTED, (quoted, name: string) => {
      const stays = !LIKE_A_FILE.test(name) || GIVEN.test(name) || name.startsWith('/');
      return stays ? quoted : `"${this.#word('name', name)}"`;
    });
    redacted = redacted.replace(QUOTED_PATH, (path) => this.#path(path));
    redacted = redacted.replace(PATH, (path) => this.#path(path));
    redacted = redacted.replace(ADDRESS, (address) => this.#address(address));
    redacted = redacted.replace(HOST, (host, last: string) =>
      EXTENSIONS.has(last) ? host : this.#host(host),
    );
    for (const pattern of [HOST_AND_PORT, NOT_FOUND])
      redacted = redacted.replace(pattern, (host) => this.#host(host));
    return redacted;
  }

  /** The same for all texts of a JSON value. Its keys are ours. */
  value(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((each: unknown) => this.value(each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.value(each)]));
  }

  /** Beside its scheme, which stands before it. */
  #url([user, host = '', port = '', behind = '']: readonly (string | undefined)[]): string {
    const bare = host.replace(/^\[|\]$/g, '');
    const [open, close] = bare === host ? ['', ''] : ['[', ']'];
    const where = isIP(bare) === 0 ? this.#host(bare) : this.#address(bare);
    const [end = ''] = URL_END.exec(behind) ?? [];
    return `${user === undefined ? '' : '[secret]@'}${open}${where}${close}${port}${pathWord(behind.slice(0, behind.length - end.length))}${end}`;
  }

  /** One of the system stays; the words behind it may have another one. */
  #path(path: string): string {
    if (!SYSTEM_PATH.test(path)) return this.#word('path', path);
    const [own = ''] = /^\S*/.exec(path) ?? [];
    return own + path.slice(own.length).replace(PATH, (more) => this.#path(more));
  }

  #host(host: string): string {
    return host === '' || PUBLIC.has(host) || this.#given.has(host) ? host : this.#word('host', host);
  }

  #address(address: string): string {
    return isIP(address) === 0 || PUBLIC.has(address) ? address : this.#word('address', address);
  }

  #word(as: string, text: string): string {
    const key = `${as} ${text}`;
    const known = this.#words.get(key);
    if (known !== undefined) return known;
    const count = (this.#counts.get(as) ?? 0) + 1;
    this.#counts.set(as, count);
    const word = `${as}-${count}`;
    this.#words.set(key, word);
    this.#given.add(word);
    return word;
  }
}

/** A text where it is not a part of a longer word; of a folder, with what is below it. */
function whole(text: string): RegExp {
  const escaped = text.replace(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`);
  return new RegExp(`(?<![A-Za-z0-9])${escaped}(?![A-Za-z0-9])${text.startsWith('/') ? BELOW : ''}`, 'g');
}

/** For a path below something that is named. */
function pathWord(path: string | undefined): string {
  return path === undefined || path === '' || path === '/' ? (path ?? '') : '/[path]';
}

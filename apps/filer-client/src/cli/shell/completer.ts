import { readdirSync } from 'node:fs';
import type { Context, DaemonClient } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { answerLine } from './short-lines.ts';
import { verbOf, verbs } from './verbs.ts';

const OWN_WORDS = ['help', 'exit', 'quit', 'accept', 'decline'];

/** First words after which names of peers may stand. */
const TAKES_NAMES = new Set(['connect', 'close', 'multicast', 'message', 'send', 'ls', 'get', 'trust']);

/** First words after which files may stand. */
const TAKES_FILES = new Set(['send', 'get', 'share', 'watch', 'report']);

/** Candidates for the word that is being typed. */
export class Completer {
  readonly #context: Context;
  readonly #daemon: DaemonClient;
  #names: readonly string[] = [];

  constructor(context: Context, daemon: DaemonClient) {
    this.#context = context;
    this.#daemon = daemon;
  }

  /** Learns who is there. */
  async refresh(): Promise<void> {
    const { signal } = this.#context;
    this.#names = (await this.#daemon.call(contract.peers, {}, { signal })).peers.map(({ name }) => name);
  }

  /** As readline asks for it: what the last word may become, and that word. */
  complete(line: string): [string[], string] {
    const words = line.split(/\s+/);
    const last = words.at(-1) ?? '';
    const [first = ''] = words;
    const { lines } = this.#context;
    if (words.length <= 1)
      return [matching([...lines.complete([last]), ...Object.keys(verbs), ...OWN_WORDS], last), last];
    const candidates = [
      ...(verbOf(first) === undefined ? lines.complete(answerLine(words)) : []),
      ...(TAKES_NAMES.has(first) && !last.startsWith('-') ? this.#names : []),
      ...(TAKES_FILES.has(first) && !last.startsWith('-') ? filesBeside(last) : []),
    ];
    return [matching(candidates, last), last];
  }
}

function matching(candidates: readonly string[], start: string): string[] {
  return [...new Set(candidates)]
    .filter((candidate) => candidate.startsWith(start))
    .map((candidate) => (candidate.endsWith('/') ? candidate : `${candidate} `));
}

function filesBeside(start: string): string[] {
  const at = start.lastIndexOf('/');
  const folder = start.slice(0, at + 1);
  try {
    return readdirSync(folder === '' ? '.' : folder, { withFileTypes: true }).map(
      (entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`,
    );
  } catch {
    return []; // no such folder: nothing to offer
  }
}

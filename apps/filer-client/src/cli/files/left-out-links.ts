import { printable } from '@filer/program';
import type { FileOutcome } from '../../api/contract/send.ts';

/** Links that the line names; the others are counted. */
const MAX_NAMED = 3;

/** Links in folders that could not be sent, which one line tells at the end. */
export class LeftOutLinks {
  readonly #paths = new Set<string>();

  take({ reason, path, message }: FileOutcome): void {
    // Without a message no link was to go.
    if (reason === 'link' && message !== null) this.#paths.add(path);
  }

  /** @param verb `sent` @param advice what helps @returns undefined when there is nothing to tell */
  line(verb: string, advice: string): string | undefined {
    const count = this.#paths.size;
    if (count === 0) return undefined;
    const named = [...this.#paths].slice(0, MAX_NAMED).map(printable).join(', ');
    const links = count === 1 ? '1 link leads' : `${count} links lead`;
    const was = count === 1 ? 'was' : 'were';
    return `${links} out of the folder and ${was} not ${verb} (${named}${count > MAX_NAMED ? ', …' : ''})${advice}`;
  }
}

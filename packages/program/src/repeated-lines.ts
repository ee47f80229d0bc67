import { addressBlockOf, parseHostPort, Shares } from '@filer/protocol';
import type { LogFields } from './log.ts';

/** How long lines are counted together, in ms. */
const WINDOW_MS = 60_000;

/**
 * Lines of one phrase in that time that one machine can cause, and all machines together. A log of 1,000 lines a minute, of
 * 200 bytes each, is 300 MB a day: as much as an attack may cost.
 */
const BOUNDS = { perHolder: 200, inAll: 1_000 };

/** Fields that name the machine behind a line; an address is the last resort, since its port changes. */
const NAMING_FIELDS = ['id', 'peer', 'from', 'by', 'recipient'] as const;

interface Phrase {
  readonly shares: Shares;
  /** Lines that were not written. */
  dropped: number;
  readonly droppedOf: Set<string>;
}

/**
 * Decides which lines of a log are written: those that repeat, because a machine makes them, are counted instead. The bound
 * of one machine takes no lines from another.
 */
export class RepeatedLines {
  readonly #tell: (phrase: string, fields: LogFields) => void;
  readonly #phrases = new Map<string, Phrase>();
  #isCounting = false;

  /** @param tell writes how many lines of a phrase were left out */
  constructor(tell: (phrase: string, fields: LogFields) => void) {
    this.#tell = tell;
  }

  /** @returns whether the line is to be written */
  admit(phrase: string, fields: LogFields): boolean {
    const known = this.#phrases.get(phrase) ?? {
      shares: new Shares(BOUNDS),
      dropped: 0,
      droppedOf: new Set(),
    };
    this.#phrases.set(phrase, known);
    if (!this.#isCounting) setTimeout(() => this.#endWindow(), WINDOW_MS).unref();
    this.#isCounting = true;
    const machine = machineOf(fields);
    if (known.shares.tryAdd(machine, 1)) return true;
    known.dropped++;
    if (known.droppedOf.size < BOUNDS.inAll) known.droppedOf.add(machine);
    return false;
  }

  #endWindow(): void {
    this.#isCounting = false;
    const phrases = [...this.#phrases];
    this.#phrases.clear();
    for (const [phrase, { dropped, droppedOf }] of phrases) {
      if (dropped > 0) this.#tell(phrase, { notWritten: dropped, machines: droppedOf.size });
    }
  }
}

function machineOf(fields: LogFields): string {
  for (const name of NAMING_FIELDS) {
    const value = fields[name];
    if (typeof value === 'string') return value;
  }
  const { address } = fields;
  if (typeof address !== 'string') return '';
  try {
    return addressBlockOf(parseHostPort(address).host);
  } catch {
    return addressBlockOf(address); // without a port
  }
}

import { addressBlockOf, parseHostPort, Shares } from '@filer/protocol';

type Fields = Readonly<Record<string, unknown>>;

/** How long lines are counted together, in ms. */
const WINDOW_MS = 60_000;

/** Lines of one phrase in that time that one machine can cause, and all machines together. */
const BOUNDS = { perHolder: 200, inAll: 1_000 };

/**
 * Characters of all lines in that time. One machine: 120 lines of the usual length; 45 MB a day. All machines: each of 500
 * that connect again at once has its lines; 750 MB a day under an attack that does not end.
 */
const CHARS = { perHolder: 32 * 1024, inAll: 512 * 1024 };

/** Lines that no machine is named in are this program's own: machines take nothing from them. */
const OWN_CHARS = { perHolder: CHARS.inAll, inAll: CHARS.inAll };

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
  readonly #tell: (phrase: string, fields: Fields) => void;
  readonly #phrases = new Map<string, Phrase>();
  #chars = new Shares(CHARS);
  #ownChars = new Shares(OWN_CHARS);
  #isCounting = false;

  /** @param tell writes how many lines of a phrase were left out */
  constructor(tell: (phrase: string, fields: Fields) => void) {
    this.#tell = tell;
  }

  /**
   * @param chars of the line
   * @returns whether the line is to be written
   */
  admit(phrase: string, fields: Fields, chars: number): boolean {
    const known = this.#phrases.get(phrase) ?? {
      shares: new Shares(BOUNDS),
      dropped: 0,
      droppedOf: new Set(),
    };
    this.#phrases.set(phrase, known);
    if (!this.#isCounting) setTimeout(() => this.#endWindow(), WINDOW_MS).unref();
    this.#isCounting = true;
    const machine = machineOf(fields);
    const ofAll = machine === '' ? this.#ownChars : this.#chars;
    if (known.shares.tryAdd(machine, 1) && ofAll.tryAdd(machine, chars)) return true;
    known.dropped++;
    if (known.droppedOf.size < BOUNDS.inAll) known.droppedOf.add(machine);
    return false;
  }

  #endWindow(): void {
    this.#isCounting = false;
    const phrases = [...this.#phrases];
    this.#phrases.clear();
    this.#chars = new Shares(CHARS);
    this.#ownChars = new Shares(OWN_CHARS);
    for (const [phrase, { dropped, droppedOf }] of phrases) {
      if (dropped > 0) this.#tell(phrase, { notWritten: dropped, machines: droppedOf.size });
    }
  }
}

function machineOf(fields: Fields): string {
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

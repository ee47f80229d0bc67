export interface TerminalModes {
  /** Sets the terminal up; called again when a suspended program continues. */
  readonly take: () => void;
  /** Makes the terminal what it was before `take`. */
  readonly giveBack: () => void;
  /** Shows a line above what is drawn. @default all of the terminal is drawn over: nothing can be shown meanwhile */
  readonly say?: (line: string) => void;
}

const held = new Set<HeldTerminal>();

/**
 * A terminal that a program has set up (no cursor, no line wrap). However the program ends or is suspended (Ctrl-Z), the
 * terminal is what it was before.
 */
export class HeldTerminal implements Disposable {
  readonly #modes: TerminalModes;
  #isTaken = false;

  /** Takes it. */
  constructor(modes: TerminalModes) {
    this.#modes = modes;
    this.#take();
  }

  /** Gives it back. May be called twice. */
  readonly [Symbol.dispose] = (): void => {
    process.off('SIGCONT', this.#resume);
    if (!this.#isTaken) return;
    this.#isTaken = false;
    held.delete(this);
    process.off('exit', this[Symbol.dispose]);
    process.off('SIGTSTP', this.#suspend);
    this.#modes.giveBack();
  };

  /** @see TerminalModes */
  get say(): ((line: string) => void) | undefined {
    return this.#modes.say;
  }

  #take(): void {
    this.#isTaken = true;
    held.add(this);
    process.once('exit', this[Symbol.dispose]);
    process.once('SIGTSTP', this.#suspend);
    this.#modes.take();
  }

  readonly #suspend = (): void => {
    this[Symbol.dispose]();
    process.once('SIGCONT', this.#resume);
    process.kill(process.pid, 'SIGSTOP');
  };

  readonly #resume = (): void => this.#take();
}

/** How a line that comes in between is shown now: above what is drawn, not at all, or like any other, undefined. */
export function terminalInUse(): { readonly say: ((line: string) => void) | undefined } | undefined {
  const newest = [...held].at(-1);
  return newest === undefined ? undefined : { say: newest.say };
}

/** For a program that is about to end without its `exit` event. */
export function giveTerminalsBack(): void {
  for (const terminal of held) terminal[Symbol.dispose]();
}

import cliProgress, { type MultiBar, type SingleBar } from 'cli-progress';
import { HeldTerminal, printable, type Output } from '@filer/program';
import type { Amounts } from '../../api/contract/transfers.ts';
import type { Progress } from '../../api/contract/send.ts';
import { TransferRate } from '../../jobs/transfer-rate.ts';
import { progressWords } from './progress-messages.ts';

/** How far a transfer is, shown while it runs. */
export interface ProgressDisplay {
  show(progress: Progress): void;
  /** Words that cannot wait until it ends. */
  say(line: string): void;
  /** Ends the display; what is printed afterwards stands below it. */
  stop(): void;
}

/** Bars on a terminal, lines elsewhere, and nothing where nobody wants to see it. */
export function progressDisplay(output: Output): ProgressDisplay {
  if (output.quiet || output.jsonMode) {
    return { show: () => undefined, say: (line) => output.words(line), stop: () => undefined };
  }
  return output.isTerminal ? new ProgressBars(output) : new ProgressLines(output);
}

interface Bars {
  readonly all: SingleBar;
  readonly rate: TransferRate;
  /** Of the file that is on its way, once there is more than one. */
  file: SingleBar | undefined;
  path: string;
  fileRate: TransferRate;
}

interface Payload {
  readonly label: string;
  readonly amounts: Amounts;
  readonly rate: number;
}

/** Longest part of a name that a bar shows. */
const NAME_COLUMNS = 18;

/** A bar of its own for a smaller file would only flicker. */
const FILE_BAR_BYTES = 1024 * 1024;

/** On a terminal: a bar for each recipient, and one for its current file. */
export class ProgressBars implements ProgressDisplay {
  #bars: MultiBar | undefined;
  #terminal: HeldTerminal | undefined;
  #isStopped = false;
  readonly #byRecipient = new Map<string, Bars>();
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Bars hide the cursor and keep lines from wrapping until they are stopped. */
  #begin(): MultiBar {
    return new cliProgress.MultiBar({
      stream: this.#output.stderr,
      hideCursor: true,
      clearOnComplete: false,
      stopOnComplete: false,
      fps: 8,
      barsize: 24,
      format: (options, { progress }, { label, amounts, rate }: Payload) => {
        const bar = cliProgress.Format.BarFormat(progress, options);
        const percent = `${Math.floor(progress * 100)}%`.padStart(4);
        return `${label.padEnd(NAME_COLUMNS)} ${bar} ${percent}  ${progressWords(amounts, rate)}`;
      },
    });
  }

  show(progress: Progress): void {
    if (this.#isStopped) return;
    this.#terminal ??= new HeldTerminal({
      take: () => (this.#bars = this.#begin()),
      giveBack: () => this.#end(),
    });
    if (this.#bars !== undefined) this.#showIn(this.#bars, progress);
  }

  /** Those that are shown stay as they are; what comes after a suspension is shown in new ones below. */
  #end(): void {
    this.#bars?.stop();
    this.#bars = undefined;
    this.#byRecipient.clear();
  }

  #showIn(all: MultiBar, progress: Progress): void {
    const { recipient, path, fileBytesSent, fileBytesTotal } = progress;
    const bars = this.#byRecipient.get(recipient) ?? this.#open(all, recipient);
    const now = performance.now();
    draw(bars.all, {
      label: shorten(printable(recipient)),
      amounts: progress,
      rate: bars.rate.at(progress.bytesDone, now),
    });
    if (progress.filesTotal < 2 || fileBytesTotal < FILE_BAR_BYTES) return;
    if (bars.path !== path) {
      bars.path = path;
      bars.fileRate = new TransferRate();
    }
    bars.file ??= barIn(all, '');
    const amounts = {
      bytesDone: fileBytesSent,
      bytesTotal: fileBytesTotal,
      filesDone: 0,
      filesTotal: 1,
      complete: true,
    };
    const label = shorten(printable(`  ${path.split('/').at(-1) ?? ''}`));
    draw(bars.file, { label, amounts, rate: bars.fileRate.at(fileBytesSent, now) });
  }

  say(line: string): void {
    if (this.#byRecipient.size > 0) this.#bars?.log(`${printable(line)}\n`);
    else this.#output.words(line);
  }

  stop(): void {
    this.#isStopped = true;
    this.#terminal?.[Symbol.dispose]();
  }

  #open(shown: MultiBar, recipient: string): Bars {
    const all = barIn(shown, recipient);
    const bars = { all, rate: new TransferRate(), file: undefined, path: '', fileRate: new TransferRate() };
    this.#byRecipient.set(recipient, bars);
    return bars;
  }
}

function barIn(bars: MultiBar, label: string): SingleBar {
  const amounts = { bytesDone: 0, bytesTotal: 0, filesDone: 0, filesTotal: 1, complete: true };
  return bars.create(1, 0, { label, amounts, rate: 0 } satisfies Payload);
}

function draw(bar: SingleBar, payload: Payload): void {
  const { bytesDone, bytesTotal } = payload.amounts;
  bar.setTotal(Math.max(1, bytesTotal));
  bar.update(bytesTotal === 0 ? 1 : bytesDone, payload);
}

/** Without a terminal, such as in a build's log, a line says now and then how far it is. */
const LINE_EVERY_MS = 30_000;

class ProgressLines implements ProgressDisplay {
  readonly #output: Output;
  readonly #toldAt = new Map<string, { at: number; rate: TransferRate }>();

  constructor(output: Output) {
    this.#output = output;
  }

  show(progress: Progress): void {
    const now = performance.now();
    const told = this.#toldAt.get(progress.recipient) ?? { at: now, rate: new TransferRate() };
    this.#toldAt.set(progress.recipient, told);
    const rate = told.rate.at(progress.bytesDone, now);
    if (now - told.at < LINE_EVERY_MS) return;
    told.at = now;
    this.#output.words(`${progress.recipient}: ${progressWords(progress, rate)}`);
  }

  say(line: string): void {
    this.#output.words(line);
  }

  stop(): void {
    this.#toldAt.clear();
  }
}

function shorten(text: string): string {
  return text.length <= NAME_COLUMNS ? text : `${text.slice(0, NAME_COLUMNS - 1)}…`;
}

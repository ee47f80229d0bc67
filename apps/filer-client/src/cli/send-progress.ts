import cliProgress, { type MultiBar, type SingleBar } from 'cli-progress';
import { formatBytes, formatDuration, printable, type Output } from '@filer/program';
import type { SendEvent } from '../jobs/send-events.ts';

interface Bars {
  readonly all: SingleBar;
  /** Only where there is more than one file. */
  readonly file: SingleBar | undefined;
  readonly startedAt: number;
  /** The current file, and since when. */
  path: string;
  fileStartedAt: number;
}

/** Longest part of a name that a bar shows. */
const NAME_COLUMNS = 18;

/** Progress of one send on a terminal: a bar for each recipient, and one for its current file. */
export class SendProgress {
  readonly #bars: MultiBar;
  readonly #byRecipient = new Map<string, Bars>();
  #several = false;
  readonly #output: Output;

  constructor(output: Output) {
    this.#output = output;
    this.#bars = new cliProgress.MultiBar({
      stream: output.stderr,
      hideCursor: true,
      clearOnComplete: false,
      stopOnComplete: false,
      fps: 8,
      barsize: 24,
      format: (options, params, payload: { label: string; startedAt: number }) => {
        const bar = cliProgress.Format.BarFormat(params.progress, options);
        const percent = `${Math.floor(params.progress * 100)}%`.padStart(4);
        const seconds = (performance.now() - payload.startedAt) / 1000;
        const rate = seconds > 0.2 ? params.value / seconds : 0;
        const left =
          rate > 0 && params.value < params.total
            ? `ETA ${formatDuration(((params.total - params.value) / rate) * 1000)}`
            : '';
        const amount = `${formatBytes(params.value)} of ${formatBytes(params.total)}`;
        return `${payload.label.padEnd(NAME_COLUMNS)} ${bar} ${percent}  ${amount}  ${formatBytes(rate)}/s  ${left}`;
      },
    });
  }

  /** Takes what the send tells. */
  show(event: SendEvent): void {
    if (event.type === 'job') this.#several = event.files > 1;
    if (event.type !== 'progress') return;
    const bars = this.#byRecipient.get(event.recipient) ?? this.#open(event.recipient, event.bytesTotal);
    bars.all.setTotal(event.bytesTotal);
    bars.all.update(event.bytesSent);
    if (bars.file === undefined) return;
    const label = shorten(printable(`  ${event.path.split('/').at(-1) ?? ''}`));
    if (bars.path !== event.path) {
      bars.path = event.path;
      bars.fileStartedAt = performance.now();
    }
    bars.file.setTotal(event.fileBytesTotal);
    bars.file.update(event.fileBytesSent, { label, startedAt: bars.fileStartedAt });
  }

  /** A line among the bars, which are drawn below it. */
  say(line: string): void {
    if (this.#byRecipient.size > 0) this.#bars.log(`${line}\n`);
    else this.#output.words(line);
  }

  /** Draws the last state and gives the terminal back. */
  stop(): void {
    this.#bars.stop();
  }

  #open(recipient: string, bytesTotal: number): Bars {
    const startedAt = performance.now();
    const all = this.#bars.create(bytesTotal, 0, { label: shorten(printable(recipient)), startedAt });
    const file = this.#several ? this.#bars.create(1, 0, { label: '', startedAt }) : undefined;
    const bars = { all, file, startedAt, path: '', fileStartedAt: startedAt };
    this.#byRecipient.set(recipient, bars);
    return bars;
  }
}

function shorten(text: string): string {
  return text.length <= NAME_COLUMNS ? text : `${text.slice(0, NAME_COLUMNS - 1)}…`;
}

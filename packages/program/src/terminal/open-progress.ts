import type { Context } from '../command.ts';
import { optional } from '../arguments.ts';
import { choiceKind } from '../kinds.ts';
import type { ProgressDisplay } from './progress-display.ts';

const PROGRESS_MODES = ['bar', 'lines', 'none'] as const;

/** How progress is shown: the values of `--progress`. */
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** `--progress` of the commands that show it. */
export const progressArgument = optional(
  choiceKind(PROGRESS_MODES),
  'how progress is shown (default: bar on a terminal, else lines, one every 10s)',
);

/**
 * @param mode @default bars on a terminal, and lines elsewhere. Bars need a terminal that can move its cursor: elsewhere they are
 *   lines, too. Nothing is shown under `--quiet` and `--json`.
 */
export async function openProgress(
  { output, env }: Pick<Context, 'output' | 'env'>,
  mode?: ProgressMode,
): Promise<ProgressDisplay> {
  const isHidden = output.quiet || output.jsonMode || mode === 'none';
  if (isHidden) return new NoProgress((line) => output.words(line));
  if (mode !== 'lines' && output.isTerminal && env['TERM'] !== 'dumb') {
    const { ProgressBars } = await import('./progress-bars.ts');
    return new ProgressBars(output, env);
  }
  const { ProgressLines } = await import('./progress-lines.ts');
  return new ProgressLines(output);
}

class NoProgress implements ProgressDisplay {
  readonly isDrawn = false;
  readonly say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.say = say;
  }

  expect(): void {}

  show(): void {}

  mark(): void {}

  stop(): void {}
}

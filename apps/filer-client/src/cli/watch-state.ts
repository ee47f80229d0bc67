import type { Context } from '@filer/program';

/** How often a watched state is looked at again. */
const WATCH_MS = 1_000;

/**
 * Shows a state again at every change, until the command is ended.
 *
 * @param keyOf what of it counts: the clock alone is no change worth a line. @default all
 */
export async function watchState<T>(
  { output, stdout, signal }: Context,
  ask: () => Promise<T>,
  show: (state: T) => void,
  keyOf: (state: T) => unknown = (state) => state,
): Promise<void> {
  let shown = '';
  while (!signal.aborted) {
    const state = await ask();
    const text = JSON.stringify(keyOf(state));
    if (text !== shown) {
      if (output.dataIsForTerminal && !output.jsonMode) stdout.write('\u001B[H\u001B[2J');
      show(state);
      shown = text;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, WATCH_MS);
      signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });
  }
}

import { LiveView, type Context, type LiveViewOptions } from '@filer/program';

/** How often a watched state is looked at again. */
const WATCH_MS = 1_000;

/** Goes on showing a state, until the command is ended. */
export async function watchState<T>(
  context: Context,
  ask: () => Promise<T>,
  options: LiveViewOptions<T>,
): Promise<void> {
  const { signal } = context;
  using view = new LiveView(context, options);
  try {
    while (!signal.aborted) {
      view.show(await ask());
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, WATCH_MS);
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
      });
    }
  } catch (error) {
    // Whoever watches ends it: that is no failure.
    if (!signal.aborted) throw error;
  }
}

/** With more events than this waiting a listener is slow: it misses progress until it has caught up. */
const MAX_BEHIND = 1_000;

/** With more than this waiting, who causes events waits until they are handed on. */
const MAX_WAITING = 10_000;

/** Events that are handed on together: whatever their paths are, they fit into one message. */
const MAX_TOGETHER = 200;

/**
 * Hands events on in their order, lists of what came while the last list was on its way; a listener that is gone ends
 * the job by its signal, not here.
 */
export function inOrder<T extends { readonly type: string }>(
  emit: (items: readonly T[]) => Promise<void> | void,
): {
  emit: (item: T) => void;
  done: () => Promise<void>;
  /** Resolves when few wait; undefined when few do now. */
  caughtUp: () => Promise<void> | undefined;
} {
  const waiting: T[] = [];
  let handing: Promise<void> | undefined;
  const handOn = async (): Promise<void> => {
    while (waiting.length > 0) {
      try {
        await emit(waiting.splice(0, MAX_TOGETHER));
      } catch {
        waiting.length = 0; // no one listens any more
      }
    }
    handing = undefined;
  };
  return {
    emit: (item) => {
      if (item.type === 'progress' && waiting.length > MAX_BEHIND) return;
      waiting.push(item);
      handing ??= handOn();
    },
    caughtUp: () => (waiting.length > MAX_WAITING ? handing : undefined),
    done: async () => {
      while (handing !== undefined) await handing;
    },
  };
}

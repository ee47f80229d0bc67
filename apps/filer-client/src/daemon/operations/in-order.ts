/** With more events than this on their way a listener is slow: it misses progress until it has caught up. */
const MAX_BEHIND = 1_000;

/** Hands events on one after the other; a listener that is gone ends the job by its signal, not here. */
export function inOrder<T extends { readonly type: string }>(
  emit: (item: unknown) => Promise<void> | void,
): { emit: (item: T) => void; done: () => Promise<void> } {
  let last = Promise.resolve();
  let behind = 0;
  return {
    emit: (item) => {
      if (item.type === 'progress' && behind > MAX_BEHIND) return;
      behind++;
      last = last
        .then(() => emit(item))
        .catch(() => undefined)
        .then(() => void behind--);
    },
    done: () => last,
  };
}

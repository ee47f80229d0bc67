/** Hands events on one after the other; a listener that is gone ends the job by its signal, not here. */
export function inOrder(emit: (item: unknown) => Promise<void> | void): {
  emit: (item: unknown) => void;
  done: () => Promise<void>;
} {
  let last = Promise.resolve();
  return {
    emit: (item) => {
      last = last.then(() => emit(item)).catch(() => undefined);
    },
    done: () => last,
  };
}

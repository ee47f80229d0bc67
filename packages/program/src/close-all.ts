/**
 * Closes what a stack holds, the newest first; one that fails does not keep the others open.
 *
 * @throws the failure that came first: those after it follow from it as a rule
 */
export async function closeAll(closing: AsyncDisposableStack): Promise<void> {
  try {
    await closing.disposeAsync();
  } catch (error) {
    let first: unknown = error;
    while (first instanceof SuppressedError) first = first.suppressed;
    throw first;
  }
}

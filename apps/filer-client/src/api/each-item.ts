/** What a command may ask for besides its arguments. */
export interface PerformOptions {
  /** Gets what the operation tells while it runs, in order. */
  readonly onItem?: (item: unknown) => void | Promise<void>;
}

/** What an operation tells comes one by one, or as a list of what came together. @returns what takes both */
export function eachItem(
  onItem: (item: unknown) => void | Promise<void>,
): (items: unknown) => void | Promise<void> {
  return async (items) => {
    for (const item of Array.isArray(items) ? (items as unknown[]) : [items]) await onItem(item);
  };
}

/** What an operation tells comes one by one, or as a list of what came together. @returns what takes both */
export function eachItem(
  onItem: (item: unknown) => void | Promise<void>,
): (items: unknown) => void | Promise<void> {
  return async (items) => {
    for (const item of Array.isArray(items) ? (items as unknown[]) : [items]) await onItem(item);
  };
}

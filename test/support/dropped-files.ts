import type { Locator } from 'playwright-core';

/** Drops files and folders of this machine on something in a page, as a person does with a mouse. */
export async function dropFiles(target: Locator, paths: readonly string[]): Promise<void> {
  await target.scrollIntoViewIfNeeded();
  const box = await target.boundingBox();
  if (box === null) throw new Error('it is not seen');
  const session = await target.page().context().newCDPSession(target.page());
  const at = { x: box.x + box.width / 2, y: box.y + 20 };
  const data = { items: [], files: [...paths], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const)
    await session.send('Input.dispatchDragEvent', { type, ...at, data });
  await session.detach();
}

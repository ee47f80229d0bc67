import { render, type ComponentChildren } from 'preact';

/** Draws a page into its document. */
export function mount(page: ComponentChildren): void {
  const root = document.querySelector('#app');
  if (root === null) throw new Error('the document has no place for the page');
  render(page, root);
}

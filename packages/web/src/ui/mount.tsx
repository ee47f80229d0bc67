import { render, type ComponentChildren } from 'preact';
import { showMisleading } from './shown-text.ts';

/** Draws a page into its document. */
export function mount(page: ComponentChildren): void {
  const root = document.querySelector('#app');
  if (root === null) throw new Error('the document has no place for the page');
  showMisleading();
  render(page, root);
}

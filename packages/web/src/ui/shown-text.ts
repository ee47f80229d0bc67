import { options } from 'preact';

/**
 * Characters that move or hide others: controls but for line breaks and tabs, directions, and spaces of no width. Joiners are none of them:
 * scripts and emoji need those.
 */
const MISLEADING =
  /[\0-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF]/g;

/** Names and texts are other machines': `invoice\u{202e}fdp.exe` must not look like `invoiceexe.pdf`. Written as commands write it. */
export function shownText(text: string): string {
  return text.replace(MISLEADING, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`);
}

/** What a page draws, as far as it is text; a text of its own has no type. */
interface Drawn {
  readonly type: unknown;
  props: unknown;
}

/** Has every text of the page drawn like that, and every name that is seen or heard of an element. */
export function showMisleading(): void {
  const others = options.vnode?.bind(options);
  options.vnode = (vnode) => {
    show(vnode);
    others?.(vnode);
  };
}

function show(drawn: Drawn): void {
  const { type, props } = drawn;
  if (typeof props === 'string') drawn.props = shownText(props);
  if (typeof type !== 'string' || typeof props !== 'object' || props === null) return;
  if ('title' in props && typeof props.title === 'string') props.title = shownText(props.title);
  if ('aria-label' in props && typeof props['aria-label'] === 'string')
    props['aria-label'] = shownText(props['aria-label']);
}

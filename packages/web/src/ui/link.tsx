import type { ComponentChildren } from 'preact';
import { addressOf, go, type Place } from './address.ts';

interface LinkProps {
  readonly to: Place;
  readonly class?: string;
  readonly title?: string | undefined;
  /** Whether it leads to what is shown now. @default false */
  readonly isCurrent?: boolean;
  readonly children: ComponentChildren;
}

/** To another place of this page; a real address, so that it can be opened in a tab of its own. */
export function Link({ to, class: name, title, isCurrent = false, children }: LinkProps) {
  const follow = (event: MouseEvent): void => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a
      class={name}
      title={title}
      aria-current={isCurrent ? 'page' : undefined}
      href={addressOf(to)}
      onClick={follow}
    >
      {children}
    </a>
  );
}

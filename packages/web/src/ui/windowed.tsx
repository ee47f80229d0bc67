import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface WindowedProps<T> {
  readonly items: readonly T[];
  readonly keyOf: (item: T) => string;
  /** One `<tr>`; all are equally high. */
  readonly row: (item: T, index: number) => ComponentChildren;
  /** @default 44 */
  readonly rowHeight?: number;
}

/** Rows that are drawn beyond what is seen, above and below. */
const BEYOND = 12;
const FIRST = 40;

/** The body of a table of which only the rows on the screen are drawn, and a few beyond. */
export function WindowedRows<T>({ items, keyOf, row, rowHeight = 44 }: WindowedProps<T>) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [height, setHeight] = useState(rowHeight);
  const [from, setFrom] = useState(0);
  const [count, setCount] = useState(FIRST);
  useLayoutEffect(() => {
    const measure = (): void => {
      const element = body.current;
      if (element === null) return;
      const first = element.querySelector('tr:not(.spacer)')?.getBoundingClientRect().height ?? 0;
      const each = first > 0 ? first : height;
      if (Math.abs(each - height) > 0.5) setHeight(each);
      const above = Math.max(0, -element.getBoundingClientRect().top);
      // In steps, so that scrolling does not draw for each pixel.
      setFrom(Math.max(0, Math.floor(above / each / BEYOND) * BEYOND - BEYOND));
      setCount(Math.ceil(innerHeight / each) + 3 * BEYOND);
    };
    let frame = 0;
    const soon = (): void => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(measure);
    };
    measure();
    addEventListener('scroll', soon, { passive: true });
    addEventListener('resize', soon);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', soon);
      removeEventListener('resize', soon);
    };
  }, [height, items.length]);
  const begin = Math.min(from, Math.max(0, items.length - count));
  const shown = items.slice(begin, begin + count);
  const below = items.length - begin - shown.length;
  return (
    <tbody ref={body}>
      <Spacer rows={begin} height={height} />
      {shown.map((item, index) => (
        <Keyed key={keyOf(item)}>{row(item, begin + index)}</Keyed>
      ))}
      <Spacer rows={below} height={height} />
    </tbody>
  );
}

function Keyed({ children }: { readonly children: ComponentChildren }) {
  return <>{children}</>;
}

function Spacer({ rows, height }: { readonly rows: number; readonly height: number }) {
  if (rows === 0) return null;
  return (
    <tr class="spacer" aria-hidden="true">
      <td style={{ height: `${rows * height}px` }} />
    </tr>
  );
}

import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import type { Line } from './plot.ts';

interface ChartProps {
  /** In seconds since the epoch, ascending. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly label: string;
  readonly format?: (number: number) => string;
  /** In px. @default 180 */
  readonly height?: number;
}

const COLOURS = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];

/** Numbers over time. uPlot comes with the first one that is shown. */
export function Chart({
  times,
  lines,
  label,
  height = 180,
  format = (number) => String(Number(number.toPrecision(4))),
}: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const place = element.current;
    if (place === null) return;
    let plot: uPlot | undefined;
    let isGone = false;
    const resize = new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height }));
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const draw = async (): Promise<void> => {
      const { drawChart } = await import('./plot.ts');
      if (isGone) return;
      plot?.destroy();
      const style = getComputedStyle(place);
      plot = drawChart(place, {
        times,
        lines,
        format,
        width: place.clientWidth,
        height,
        colours: COLOURS.map((name) => style.getPropertyValue(name)),
        text: style.color,
        grid: style.getPropertyValue('--line-grid'),
      });
    };
    const redraw = (): void => void draw();
    redraw();
    resize.observe(place);
    scheme.addEventListener('change', redraw);
    return () => {
      isGone = true;
      resize.disconnect();
      scheme.removeEventListener('change', redraw);
      plot?.destroy();
    };
  }, [times, lines]);
  const last = lines
    .map(({ name, numbers }) => {
      const number = numbers.findLast((each) => each !== null);
      return `${name} ${number === undefined || number === null ? 'unknown' : format(number)}`;
    })
    .join(', ');
  return <div ref={element} class="chart" role="img" aria-label={`${label}, now: ${last}`} />;
}

import { useEffect, useRef } from 'preact/hooks';

interface SparklineProps {
  readonly numbers: readonly number[];
  /** What it shows, for those who do not see it. */
  readonly label: string;
  /** @default the largest number */
  readonly max?: number;
}

/** A line without axes, on a canvas: cheap enough for many. */
export function Sparkline({ numbers, label, max }: SparklineProps) {
  const element = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const canvas = element.current;
    const context = canvas?.getContext('2d');
    if (canvas === null || context === null || context === undefined) return;
    const scale = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * scale;
    canvas.height = height * scale;
    context.scale(scale, scale);
    context.strokeStyle = getComputedStyle(canvas).color;
    context.lineWidth = 1.5;
    context.lineJoin = 'round';
    const top = max ?? Math.max(...numbers, Number.MIN_VALUE);
    context.beginPath();
    for (const [index, number] of numbers.entries()) {
      const x = numbers.length < 2 ? width : (index / (numbers.length - 1)) * width;
      context.lineTo(x, height - 1 - Math.min(1, number / (top === 0 ? 1 : top)) * (height - 2));
    }
    context.stroke();
  }, [numbers, max]);
  return <canvas ref={element} class="sparkline" role="img" aria-label={label} />;
}

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/** Light modules around a code, without which cameras do not find it. */
const BORDER = 4;

/** A QR code, as one path of squares. */
export function Qr({ text }: { readonly text: string }) {
  const code = useSignal<{ readonly size: number; readonly path: string } | undefined>(undefined);
  useEffect(() => {
    void import('uqr').then(({ encode }) => {
      const { data, size } = encode(text, { border: BORDER });
      const path = data
        .flatMap((row, y) => row.map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : '')))
        .join('');
      code.value = { size, path };
    });
  }, [text]);
  if (code.value === undefined) return null;
  const { size, path } = code.value;
  return (
    <svg
      class="qr"
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label="The link as a QR code"
      shape-rendering="crispEdges"
    >
      <path d={path} />
    </svg>
  );
}

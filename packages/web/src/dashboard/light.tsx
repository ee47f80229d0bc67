import type { Standing } from './machine-list.ts';

const LIGHTS: Readonly<Record<string, string>> = {
  online: 'good',
  late: 'warn',
  missing: 'bad',
  offline: 'idle',
  left: 'idle',
};

/** A standing as shape, colour and word. */
export function Light({ standing, words }: { readonly standing: Standing; readonly words?: string }) {
  return <span class={`light ${LIGHTS[standing]}`}>{words ?? standing}</span>;
}

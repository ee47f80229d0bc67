import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';

const name = signal('');

export function Machine() {
  useEffect(() => {
    void attempt(async () => {
      name.value = (await api.read('status', {})).name ?? '';
    });
  }, []);
  return (
    <main>
      <h1>{name}</h1>
    </main>
  );
}

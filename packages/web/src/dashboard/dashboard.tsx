import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { onEvents, refresher } from '../ui/events.ts';
import { attempt } from '../ui/toasts.tsx';
import { api } from './api.ts';

const names = signal<readonly string[]>([]);

export function Dashboard() {
  useEffect(() => {
    const refresh = refresher(() =>
      attempt(async () => {
        const { peers } = await api.read('peers', { all: false });
        names.value = peers.map(({ name }) => name);
      }),
    );
    refresh();
    return onEvents(['peer'], refresh);
  }, []);
  return (
    <main>
      <h1>filer dashboard</h1>
      <ul>
        {names.value.map((name) => (
          <li key={name}>{name}</li>
        ))}
      </ul>
    </main>
  );
}

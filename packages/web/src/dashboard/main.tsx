import { mount } from '../ui/mount.tsx';
import { openSession, session } from '../ui/session.ts';
import { SignedOut } from '../ui/signed-out.tsx';
import { Toasts } from '../ui/toasts.tsx';
import { Dashboard } from './dashboard.tsx';

await openSession();

mount(<App />);

function App() {
  if (session.value !== 'open') return <SignedOut command="ip-server dashboard" />;
  return (
    <>
      <Dashboard />
      <Toasts />
    </>
  );
}

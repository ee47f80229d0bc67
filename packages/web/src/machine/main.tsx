import { mount } from '../ui/mount.tsx';
import { openSession, session } from '../ui/session.ts';
import { SignedOut } from '../ui/signed-out.tsx';
import { Toasts } from '../ui/toasts.tsx';
import { Machine } from './machine.tsx';

await openSession();

mount(<App />);

function App() {
  if (session.value !== 'open') return <SignedOut command="filer-client open" />;
  return (
    <>
      <Machine />
      <Toasts />
    </>
  );
}

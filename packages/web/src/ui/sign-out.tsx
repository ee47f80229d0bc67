import { closeSession } from './session.ts';
import { attempt } from './toasts.tsx';

/** Ends the session of this browser. */
export function SignOut() {
  return (
    <button type="button" class="quiet" onClick={() => void attempt(closeSession)}>
      Sign out
    </button>
  );
}

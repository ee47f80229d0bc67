import type { ComponentChildren } from 'preact';
import { session } from './session.ts';

/** What is shown to a browser without a session, or while the server has not said whether it has one. @param command prints a link with a new token */
export function SignedOut({
  command,
  children,
}: {
  readonly command: string;
  readonly children?: ComponentChildren;
}) {
  if (session.value === 'unknown')
    return <p class="empty">The server has not answered yet. It is asked again by itself.</p>;
  return (
    <main class="empty">
      <h1>This browser has no access</h1>
      <p>
        Run <code>{command}</code> on the machine and open the link that it prints.
      </p>
      {children}
    </main>
  );
}

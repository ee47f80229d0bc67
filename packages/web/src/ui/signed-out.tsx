import type { ComponentChildren } from 'preact';

/** What is shown to a browser without a session. @param command prints a link with a new token */
export function SignedOut({
  command,
  children,
}: {
  readonly command: string;
  readonly children?: ComponentChildren;
}) {
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

import { useEffect } from 'preact/hooks';
import { address } from '../ui/address.ts';
import { connection } from '../ui/events.ts';
import { Link } from '../ui/link.tsx';
import { SignOut } from '../ui/sign-out.tsx';
import { Automatic } from './automatic.tsx';
import { Browse } from './browse.tsx';
import { Compose } from './compose.tsx';
import { Confirmations } from './confirm.tsx';
import { inbox, status } from './documents.ts';
import { History } from './history.tsx';
import { Inbox, Offers } from './inbox.tsx';
import { Messages } from './messages.tsx';
import { Peers } from './peers.tsx';
import { Transfers } from './transfers.tsx';
import { serverWords } from './words.ts';

/** What can be shown: the key in the address, and its name. */
const VIEWS = [
  { show: undefined, title: 'Send', View: Home },
  { show: 'inbox', title: 'Inbox', View: Inbox },
  { show: 'messages', title: 'Messages', View: Messages },
  { show: 'history', title: 'History', View: History },
  { show: 'automatic', title: 'Automatic', View: Automatic },
  { show: 'browse', title: undefined, View: Browse },
] as const;

/** The page of this machine. */
export function Machine() {
  useEffect(ignoreStrayDrops, []);
  const shown = address.value.get('show') ?? undefined;
  const { View } = VIEWS.find(({ show }) => show === shown) ?? VIEWS[0];
  return (
    <>
      <Head shown={shown} />
      <main>
        <View />
      </main>
      <Compose />
      <Confirmations />
    </>
  );
}

function Head({ shown }: { readonly shown: string | undefined }) {
  const found = status().value.value;
  const offers = (inbox().value.value?.offers ?? []).filter(({ state }) => state === 'waiting').length;
  const title = found === undefined ? 'filer' : `${offers > 0 ? `(${offers}) ` : ''}${found.name} – filer`;
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <header class="top">
      <div class="who">
        <h1>{found?.name ?? 'filer'}</h1>
        {found !== undefined && (
          <p class={`light ${found.server.connected ? 'good' : 'warn'}`}>{serverWords(found)}</p>
        )}
        <SignOut />
      </div>
      <nav aria-label="Views">
        {VIEWS.map(({ show, title }) =>
          title === undefined ? null : (
            <Link
              key={title}
              to={{ show, job: undefined, peer: undefined, at: undefined }}
              isCurrent={show === shown || (show === undefined && shown === 'browse')}
            >
              {title}
              {show === 'inbox' && offers > 0 && <span class="count">{offers}</span>}
            </Link>
          ),
        )}
      </nav>
      {connection.value === 'lost' && (
        <p class="notice" role="status">
          The daemon does not answer: what is shown may be old. It is asked again by itself.
        </p>
      )}
    </header>
  );
}

function Home() {
  return (
    <div class="home">
      <div>
        <Offers />
        <Transfers />
      </div>
      <section aria-labelledby="peers">
        <h2 id="peers">Drop files or folders on a machine</h2>
        <Peers />
      </section>
    </div>
  );
}

/** A file that misses its target must not replace the page. */
function ignoreStrayDrops(): () => void {
  const ignore = (event: DragEvent): void => {
    if (event.dataTransfer?.types.includes('Files') !== true) return;
    if (!event.defaultPrevented) event.dataTransfer.dropEffect = 'none';
    event.preventDefault();
  };
  addEventListener('dragover', ignore);
  addEventListener('drop', ignore);
  return () => {
    removeEventListener('dragover', ignore);
    removeEventListener('drop', ignore);
  };
}

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Ago } from '../ui/ago.tsx';
import { Link } from '../ui/link.tsx';
import { Unread } from '../ui/reading.tsx';
import { attempt } from '../ui/toasts.tsx';
import { peers, type Peer } from './documents.ts';
import { writeTo } from './compose.tsx';
import { droppedThings, pickedFiles } from './picked.ts';
import { upload } from './uploads.ts';
import { groupsOf } from './words.ts';

/** With fewer than these, all are seen at once. */
const FILTERED_FROM = 10;

/** Everyone that files can be dropped on. */
export function Peers() {
  const [filter, setFilter] = useState('');
  const { read } = peers();
  const found = read.value.value;
  if (found === undefined) return <Unread read={read.value} />;
  const others = found.peers.filter(({ self }) => self !== true);
  if (others.length === 0)
    return (
      <p class="empty">
        No other machine has joined yet. On the ip-server, <code>ip-server invite</code> prints a link for the
        next one.
      </p>
    );
  const groups = groupsOf(others);
  const matches = (text: string): boolean => text.includes(filter.trim().toLowerCase());
  return (
    <>
      {others.length >= FILTERED_FROM && (
        <input
          class="filter"
          type="search"
          placeholder="Find a machine or a group"
          aria-label="Find a machine or a group"
          value={filter}
          onInput={({ currentTarget }) => setFilter(currentTarget.value)}
        />
      )}
      <ul class="targets">
        {others
          .filter(({ name, groups: own }) => matches(name) || own.some(matches))
          .toSorted(byPresence)
          .map((peer) => (
            <PeerCard key={peer.id} peer={peer} />
          ))}
        {groups
          .filter(({ name }) => matches(name))
          .map(({ name, members }) => (
            <Target key={`@${name}`} to={`@${name}`} title={`@${name}`}>
              <p class="dim">{members === 1 ? '1 machine' : `${members} machines`} of this group</p>
            </Target>
          ))}
      </ul>
    </>
  );
}

function byPresence(a: Peer, b: Peer): number {
  return Number(b.online) - Number(a.online) || a.name.localeCompare(b.name);
}

function PeerCard({ peer }: { readonly peer: Peer }) {
  const { name, online, state, groups, lastSeen } = peer;
  return (
    <Target to={name} title={name} peer={name}>
      <p class="dim facts">
        <span class={`light ${online ? 'good' : 'idle'}`}>{online ? 'online' : state}</span>
        {!online && lastSeen !== null && (
          <span>
            seen <Ago at={lastSeen} />
          </span>
        )}
        {groups.map((group) => (
          <span key={group} class="tag">
            {group}
          </span>
        ))}
      </p>
    </Target>
  );
}

interface TargetProps {
  /** As `send --to` takes it. */
  readonly to: string;
  readonly title: string;
  /** The one machine that it is, whose shares can be looked into. */
  readonly peer?: string;
  readonly children: ComponentChildren;
}

/** Files are dropped on it, or picked. */
function Target({ to, title, peer, children }: TargetProps) {
  const [isOver, setOver] = useState(false);
  const target = useRef<HTMLLIElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  useEffect(() => takeDrops(target.current, to, setOver), [to]);
  const pick = ({ currentTarget }: { readonly currentTarget: HTMLInputElement }): void => {
    const picked = pickedFiles(currentTarget.files);
    currentTarget.value = '';
    if (picked.length > 0) upload(picked, [to]);
  };
  return (
    <li ref={target} class={`card target${isOver ? ' over' : ''}`} data-target={to}>
      <h3 class="cut" title={title}>
        {title}
      </h3>
      {children}
      <div class="actions">
        <button type="button" onClick={() => files.current?.click()} aria-label={`Send files to ${title}`}>
          Send files
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => folder.current?.click()}
          aria-label={`Send a folder to ${title}`}
        >
          Folder
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => writeTo(to)}
          aria-label={`Write a message to ${title}`}
        >
          Message
        </button>
        {peer !== undefined && (
          <Link to={{ show: 'browse', peer, at: undefined, job: undefined }} class="button quiet">
            <span aria-hidden="true">Browse</span>
            <span class="sr-only">Browse the shares of {title}</span>
          </Link>
        )}
      </div>
      <p class="hint" aria-hidden="true">
        Drop to send to {title}
      </p>
      <input ref={files} type="file" multiple hidden tabIndex={-1} onChange={pick} data-pick="files" />
      <input
        ref={folder}
        type="file"
        hidden
        tabIndex={-1}
        onChange={pick}
        data-pick="folder"
        {...{ webkitdirectory: true }}
      />
    </li>
  );
}

/** Buttons do the same for who does not drag. @returns what ends it */
function takeDrops(
  element: HTMLElement | null,
  to: string,
  setOver: (isOver: boolean) => void,
): (() => void) | undefined {
  const ending = new AbortController();
  const { signal } = ending;
  const over = (event: DragEvent): void => {
    if (event.dataTransfer?.types.includes('Files') !== true) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    setOver(true);
  };
  const drop = async (transfer: DataTransfer): Promise<void> => {
    const things = droppedThings(transfer);
    await attempt(async () => upload(await things, [to]));
  };
  element?.addEventListener('dragenter', over, { signal });
  element?.addEventListener('dragover', over, { signal });
  element?.addEventListener('dragleave', () => setOver(false), { signal });
  element?.addEventListener(
    'drop',
    (event) => {
      setOver(false);
      if (event.dataTransfer === null) return;
      event.preventDefault();
      void drop(event.dataTransfer);
    },
    { signal },
  );
  return () => ending.abort();
}

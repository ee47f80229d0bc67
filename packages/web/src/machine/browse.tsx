import { useEffect, useState } from 'preact/hooks';
import { address, go } from '../ui/address.ts';
import { Ago } from '../ui/ago.tsx';
import { Ask } from '../ui/dialog.tsx';
import { Field } from '../ui/field.tsx';
import { bytesText } from '../ui/format.ts';
import { Link } from '../ui/link.tsx';
import { api } from './api.ts';
import { status, type Doc } from './documents.ts';

interface LsItem {
  readonly name: string;
  readonly kind: 'share' | 'dir' | 'file' | 'link' | 'other';
  readonly size: number | null;
  readonly mtime: string | null;
}

interface Listing {
  readonly items: readonly LsItem[];
  readonly end: Doc<'ls'> | undefined;
  readonly problem: string | undefined;
}

/** More than these are no list for a person. */
const MAX_SHOWN = 2_000;

/** What a peer shares, folder by folder. */
export function Browse() {
  const peer = address.value.get('peer') ?? '';
  const at = address.value.get('at') ?? '';
  return <Folder key={`${peer}:${at}`} peer={peer} at={at} />;
}

function Folder({ peer, at }: { readonly peer: string; readonly at: string }) {
  const [listing, setListing] = useState<Listing>({ items: [], end: undefined, problem: undefined });
  const [wanted, setWanted] = useState<string | undefined>(undefined);
  useEffect(() => {
    const stopping = new AbortController();
    const read = async (): Promise<void> => {
      try {
        const end = await api.read(
          'ls',
          { source: `${peer}:${at}`, timeoutMs: 15_000 },
          {
            signal: stopping.signal,
            onItems: (pages) => {
              const more = pages.flatMap((page) => page.items);
              setListing((now) => ({ ...now, items: [...now.items, ...more].slice(0, MAX_SHOWN) }));
            },
          },
        );
        setListing((now) => ({ ...now, end }));
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (!stopping.signal.aborted) setListing((now) => ({ ...now, problem: message }));
      }
    };
    void read();
    return () => stopping.abort();
  }, [peer, at]);
  const { items, end, problem } = listing;
  const inside = (name: string): string => (at === '' ? name : `${at}/${name}`);
  return (
    <>
      <nav class="crumbs" aria-label="Folders">
        <Link to={{ show: undefined, peer: undefined, at: undefined }}>Peers</Link>
        <span aria-hidden="true">›</span>
        <Link to={{ at: undefined }}>{peer}</Link>
        {at !== '' &&
          at.split('/').map((part, n, parts) => (
            <>
              <span aria-hidden="true">›</span>
              <Link
                to={{ at: parts.slice(0, n + 1).join('/') }}
                isCurrent={n === parts.length - 1}
                class="path"
              >
                {part}
              </Link>
            </>
          ))}
        {at !== '' && (
          <button type="button" onClick={() => setWanted(at)}>
            Get this folder
          </button>
        )}
      </nav>
      {problem !== undefined && <p class="notice bad">{problem}</p>}
      {problem === undefined && end === undefined && items.length === 0 && (
        <p class="empty">asking {peer} …</p>
      )}
      {end !== undefined && items.length === 0 && (
        <p class="empty">
          {at === '' ? `${peer} shares nothing with this machine.` : 'This folder is empty.'}
        </p>
      )}
      {items.length > 0 && (
        <div class="table card">
          <table>
            <thead>
              <tr>
                <th>Name</th>
                <th class="number">Size</th>
                <th>Changed</th>
                <th>
                  <span class="sr-only">Get</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map(({ name, kind, size, mtime }) => {
                const isFolder = kind === 'dir' || kind === 'share';
                return (
                  <tr key={name}>
                    <td class="path">{isFolder ? <Link to={{ at: inside(name) }}>{name}/</Link> : name}</td>
                    <td class="number">{size === null ? '' : bytesText(size)}</td>
                    <td>
                      <Ago at={mtime} none="" />
                    </td>
                    <td class="number">
                      {kind !== 'other' && (
                        <button
                          type="button"
                          class="quiet"
                          aria-label={`Get ${name}`}
                          onClick={() => setWanted(inside(name))}
                        >
                          Get
                        </button>
                      )}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      )}
      {end !== undefined && end.leftOut !== null && <p class="dim">{end.leftOut}</p>}
      {end !== undefined && end.count > MAX_SHOWN && (
        <p class="dim">
          {(end.count - MAX_SHOWN).toLocaleString('en-US')} more are listed by <code>filer-client ls</code>.
        </p>
      )}
      {wanted !== undefined && <Get source={`${peer}:${wanted}`} onClose={() => setWanted(undefined)} />}
    </>
  );
}

function Get({ source, onClose }: { readonly source: string; readonly onClose: () => void }) {
  const { value } = status().value;
  return (
    <Ask
      title="Get it"
      action="Get"
      isDangerous={false}
      done={`${source} is fetched: it is shown among the transfers.`}
      onDo={async (typed) => {
        await api.change('fetch', { source, dest: typed('dest'), into: true, timeoutMs: 60_000 });
        go({ show: undefined, peer: undefined, at: undefined });
      }}
      onClose={onClose}
    >
      <p class="path">{source}</p>
      <Field name="dest" label="Into the folder (of this machine)" defaultValue={value?.inbox} required />
    </Ask>
  );
}

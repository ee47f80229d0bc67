/** What a person has picked or dropped: a file, or a folder where there is none. */
export interface Picked {
  /** Relative, with `/`. */
  readonly path: string;
  readonly file: File | undefined;
}

/** Of a file picker; of one for folders each file has its path. Empty folders are not among them. */
export function pickedFiles(files: FileList | null): Picked[] {
  return [...(files ?? [])].map((file) => ({
    path: file.webkitRelativePath === '' ? file.name : file.webkitRelativePath,
    file,
  }));
}

/** What was dropped, folders with all that is in them, in the order of their names. */
export async function droppedThings({ items, files }: DataTransfer): Promise<Picked[]> {
  // Both must be asked for before anything is awaited: the browser empties the transfer then.
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const plain = pickedFiles(files);
  if (entries.length === 0) return plain;
  const found: Picked[] = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry: FileSystemEntry, found: Picked[]): Promise<void> {
  const path = entry.fullPath.replace(/^\//, '');
  if (isFile(entry)) {
    found.push({ path, file: await new Promise<File>((resolve, reject) => entry.file(resolve, reject)) });
    return;
  }
  if (!isFolder(entry)) return;
  found.push({ path, file: undefined });
  const reader = entry.createReader();
  // A reader gives some at a time.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    for (const each of some) await walk(each, found);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

/** `a.txt`, `photos/`, `a.txt, b.txt and 3 more` */
export function pickedWords(things: readonly Picked[]): string {
  const tops = [...new Set(things.map(topOf))];
  const more = tops.length > 2 ? ` and ${tops.length - 2} more` : '';
  return `${tops.slice(0, 2).join(', ')}${more}`;
}

function topOf({ path, file }: Picked): string {
  const [top = '', ...below] = path.split('/');
  return below.length > 0 || file === undefined ? `${top}/` : top;
}

export function pickedBytes(things: readonly Picked[]): number {
  return things.reduce((sum, { file }) => sum + (file?.size ?? 0), 0);
}

/**
 * What is picked as one stream, as `drop-entries.ts` of the daemon reads it. Files in it are not read: the browser reads them from the
 * disk while it sends them.
 */
export function dropBody(things: readonly Picked[]): Blob {
  const parts = things.flatMap(({ path, file }): BlobPart[] => {
    if (file === undefined) return [header({ path, kind: 'dir' })];
    return [header({ path, kind: 'file', size: file.size, mtime: file.lastModified }), file];
  });
  return new Blob([...parts, new Uint8Array(4)]);
}

function header(fields: object): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(fields));
  const whole = new Uint8Array(4 + json.length);
  new DataView(whole.buffer).setUint32(0, json.length);
  whole.set(json, 4);
  return whole;
}

/** Files of which one is looked for that a browser cannot read: it takes a moment for each. */
const MAX_LOOKED_AT = 2_000;

/** @returns the path of a file that is not as it was when it was picked: the browser never reads that again */
export async function unreadable(things: readonly Picked[]): Promise<string | undefined> {
  for (const { path, file } of things.slice(0, MAX_LOOKED_AT)) {
    try {
      await file?.slice(0, 1).arrayBuffer();
    } catch {
      return path;
    }
  }
  return undefined;
}

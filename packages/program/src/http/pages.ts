import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { systemCode } from '@filer/protocol';
import { encodingFor } from './compression.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
};

const compressors = { br: promisify(brotliCompress), gzip: promisify(gzip) } as const;
type Encoding = keyof typeof compressors;

interface Page {
  readonly content: Buffer;
  readonly type: string;
  readonly tag: string;
  /** Its name changes with its content. */
  readonly isHashed: boolean;
  readonly encoded: Map<Encoding, Promise<Buffer>>;
}

/** The files of a page, in memory: a handful, which are built with the program. */
export class Pages {
  readonly #files: ReadonlyMap<string, Page>;

  private constructor(files: ReadonlyMap<string, Page>) {
    this.#files = files;
  }

  /** @param folder absolute; one that is missing has no pages */
  static async open(folder: string | undefined): Promise<Pages> {
    const files = new Map<string, Page>();
    for (const name of folder === undefined ? [] : await namesIn(folder)) {
      const type = TYPES[extname(name)];
      if (type === undefined) continue;
      const content = await readFile(join(folder ?? '', name));
      const tag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`;
      const path = `/${name.split(sep).join('/')}`;
      const page: Page = { content, type, tag, isHashed: /-[\w-]{8,}\.\w+$/.test(path), encoded: new Map() };
      files.set(path === '/index.html' ? '/' : path, page);
    }
    return new Pages(files);
  }

  get isEmpty(): boolean {
    return this.#files.size === 0;
  }

  /** @returns undefined when there is no such file */
  async answer(path: string, { headers }: Request): Promise<Response | undefined> {
    const page = this.#files.get(path);
    if (page === undefined) return undefined;
    const fixed = {
      etag: page.tag,
      'cache-control': page.isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
      vary: 'accept-encoding',
    };
    if (headers.get('if-none-match') === page.tag) return new Response(null, { status: 304, headers: fixed });
    const encoding = encodingFor(headers.get('accept-encoding') ?? undefined, ['br', 'gzip'] as const);
    const body = encoding === undefined ? page.content : await encodedAs(encoding, page);
    return new Response(new Uint8Array(body), {
      headers: {
        ...fixed,
        'content-type': page.type,
        ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
      },
    });
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

function encodedAs(encoding: Encoding, { content, encoded }: Page): Promise<Buffer> {
  const known = encoded.get(encoding) ?? compressors[encoding](content);
  encoded.set(encoding, known);
  return known;
}

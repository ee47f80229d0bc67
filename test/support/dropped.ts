/** One thing that is dropped in a page, as the page sends it. */
export interface DroppedHere {
  readonly path: string;
  /** @default a folder */
  readonly content?: Uint8Array | string;
  readonly mtime?: number;
}

function header(fields: object): Buffer {
  const json = Buffer.from(JSON.stringify(fields));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json]);
}

/** The stream of a drop. */
export function dropBody(things: readonly DroppedHere[]): Buffer {
  const parts = things.flatMap(({ path, content, mtime = 1_764_432_000_000 }) => {
    if (content === undefined) return [header({ path, kind: 'dir' })];
    const bytes = Buffer.from(content);
    return [header({ path, kind: 'file', size: bytes.length, mtime }), bytes];
  });
  return Buffer.concat([...parts, Buffer.alloc(4)]);
}

/** It, as it comes over a connection. */
export async function* inPieces(body: Uint8Array, bytes = 1_000): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < body.length; at += bytes) {
    await Promise.resolve();
    yield body.subarray(at, at + bytes);
  }
}

import type { Duplex } from 'node:stream';

export interface SpliceOptions {
  /** Silence in both directions after which both are destroyed. */
  readonly idleMs: number;
  /** Called with the bytes of each piece. @returns how long nothing more of this direction is read, in ms; undefined ends both */
  readonly charge: (bytes: number) => number | undefined;
}

/**
 * Joins two streams: what comes on one goes out on the other, as it is and when that takes it. An end is passed on for its
 * direction alone; when one stream is lost, so is the other.
 *
 * @returns how many bytes went either way, when both are gone
 */
export async function splice(a: Duplex, b: Duplex, { idleMs, charge }: SpliceOptions): Promise<number> {
  let bytes = 0;
  const destroyBoth = (): void => {
    a.destroy();
    b.destroy();
  };
  const idle = setTimeout(destroyBoth, idleMs);
  const join = (from: Duplex, to: Duplex): void => {
    let isHeld = false;
    const goOn = (): void => {
      if (!isHeld && !to.writableNeedDrain) from.resume();
    };
    from.allowHalfOpen = true;
    from.on('error', () => undefined); // 'close' tells the end
    to.on('drain', goOn);
    from.on('data', (piece: Buffer) => {
      idle.refresh();
      bytes += piece.length;
      const waitMs = charge(piece.length);
      if (waitMs === undefined) return destroyBoth();
      if (!to.write(piece)) from.pause();
      if (waitMs === 0) return;
      from.pause();
      isHeld = true;
      setTimeout(() => {
        isHeld = false;
        goOn();
      }, waitMs).unref();
    });
    from.on('end', () => to.end());
  };
  join(a, b);
  join(b, a);
  await Promise.all([goneWith(a, b), goneWith(b, a)]);
  clearTimeout(idle);
  return bytes;
}

/** Resolves when a stream is gone. What came of it is still written to the other one, which ends then. */
function goneWith(stream: Duplex, other: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const onClose = (): void => {
      if (!stream.readableEnded || other.writableFinished) other.destroy();
      else other.once('finish', () => other.destroy());
      resolve();
    };
    if (stream.closed) onClose();
    else stream.once('close', onClose);
  });
}

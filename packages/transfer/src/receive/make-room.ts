import { FilerError } from '@filer/protocol';
import type { Space } from '../disk/free-space.ts';
import type { ResumeStore } from '../disk/resume-store.ts';
import { judgeSize, takeAllowed, takeRoom, type Allowance, type ReceivePolicy } from './receive-policy.ts';
import { parseSafePath } from '../disk/safe-path.ts';
import { release, type Wanted } from './wanted-entries.ts';

export interface RoomOptions {
  readonly parts: ResumeStore;
  readonly space: Space;
  readonly policy: ReceivePolicy;
  /** What may still come of the offer; counted down. */
  readonly allowance: Allowance;
}

/**
 * Promises room to a stream: the size may have changed since the entry was announced, and a stream that begins again
 * needs room again.
 *
 * @param written bytes of it, of this stream
 * @throws FilerError `no-space`, `refused`
 */
export async function makeRoom(
  wanted: Wanted,
  size: number,
  written: number,
  { allowance, policy, space, parts }: RoomOptions,
): Promise<void> {
  if (wanted.promised !== undefined && wanted.size === size) return;
  release(wanted);
  const kept = wanted.kept === undefined ? 0 : parts.bytesOf(parseSafePath(wanted.name), size);
  const here = Math.min(Math.max(written, kept), size);
  judgeSize(size, policy);
  const needed = size - here;
  takeRoom(await space.left(needed), needed);
  if (!wanted.isCounted) takeAllowed(allowance, size);
  else if (size - wanted.size > allowance.bytes) {
    throw new FilerError('refused', 'it grew beyond what may still come: send it again');
  } else allowance.bytes -= size - wanted.size;
  wanted.isCounted = true;
  wanted.size = size;
  wanted.promised = space.promise(needed);
}

import { DIGEST_BLOCK_BYTES } from '@filer/protocol';
import { digestOfBlock } from './digests.ts';

/** One block of zeros, which sparse files have most of. Read only. */
export const ZERO_BLOCK = Buffer.alloc(DIGEST_BLOCK_BYTES);

export const ZERO_BLOCK_DIGEST = digestOfBlock(ZERO_BLOCK);

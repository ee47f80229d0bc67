import { KnownDigests } from '@filer/transfer';

/** Of the files that this process read, to send them or to compare them: one for all transfers. */
export const rememberedDigests = new KnownDigests();

/** A text to many that this server has handed on. */
export interface HandedText {
  readonly id: string;
  /** By the clock of who wrote it, in ms since the epoch. */
  readonly time: number;
  /** Id of the machine that wrote it, or of this server. */
  readonly from: string;
  /** `@all` or `@GROUP` */
  readonly to: string;
  readonly text: string;
  /** To how many it was handed, and how many were not there. */
  readonly reached: number;
  readonly offline: number;
}

/** So many of each sender are kept: one that writes much takes none of the others out of the list. */
export const MESSAGES_KEPT_PER_SENDER = 50;

/** Texts to many, for people who look at the server. */
export interface MessageStore {
  add(text: HandedText): Promise<void>;
  /** So many of the newest, oldest first. */
  last(limit: number): Promise<HandedText[]>;
}

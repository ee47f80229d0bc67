/** The result of a link that was not sent: nothing has failed. */
export const LINK_LEFT_OUT = {
  ok: true,
  size: 0,
  status: 'skipped',
  reason: 'link',
  proof: null,
  code: null,
} as const;

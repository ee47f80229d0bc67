/** Said once, when a network comes to be. */
export const BACKUP_ADVICE =
  'This is a new network. Back up its key, it is needed to invite and remove machines: ' +
  '`ip-server network-key export FILE`';

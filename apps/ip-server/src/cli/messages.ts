/** Printed once, when a network is made. */
export const BACKUP_ADVICE =
  'This is a new network. Back up its key, it is needed to invite and remove machines: ' +
  '`ip-server network-key export FILE`';

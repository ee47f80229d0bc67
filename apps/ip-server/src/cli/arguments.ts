import { isGroupName } from '@filer/protocol';
import { customKind, optional, textKind } from '@filer/program';

export const GROUP = customKind(
  'a name of a-z, 0-9 and inner hyphens such as lab-2 (all is reserved)',
  (text) => {
    if (!isGroupName(text)) throw new RangeError('not the name of a group');
    return text;
  },
  { value: 'group', completes: 'group' },
);

export const PEER = textKind('the name or id of a machine', { value: 'peer', completes: 'peer' });

export const networkKey = optional(
  textKind('a file', { completes: 'file' }),
  'file with the network key, if it is not in the home',
);

export const COLLECT = textKind('the name of a collect such as results', {
  value: 'name',
  completes: 'collect',
});

import { integerIn, textIn, type Row } from '@filer/program';
import type { HandedText } from './message-store.ts';

export function messageOf(row: Row): HandedText {
  return {
    id: textIn(row, 'id'),
    time: integerIn(row, 'time'),
    from: textIn(row, 'sender'),
    to: textIn(row, 'target'),
    text: textIn(row, 'text'),
    reached: integerIn(row, 'reached'),
    offline: integerIn(row, 'offline'),
  };
}

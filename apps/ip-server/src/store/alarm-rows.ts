import { integerIn, optionalIntegerIn, textIn, wordIn, type Row } from '@filer/program';
import { CHANNELS, type Alarm, type AlarmEvent, type Delivery, type DeliveryState } from './alarm-store.ts';

const EVENTS: readonly AlarmEvent[] = ['missing', 'back'];
const STATES: readonly DeliveryState[] = ['waiting', 'delivered', 'failed'];

export function alarmOf(row: Row): Alarm {
  return {
    number: integerIn(row, 'number'),
    id: textIn(row, 'id'),
    time: integerIn(row, 'time'),
    steady: integerIn(row, 'steady'),
    event: wordIn(row, 'event', EVENTS),
    peer: textIn(row, 'peer'),
    schedule: textIn(row, 'schedule'),
    payload: textIn(row, 'payload'),
  };
}

export function deliveryOf(row: Row): Delivery {
  return {
    channel: wordIn(row, 'channel', CHANNELS),
    state: wordIn(row, 'state', STATES),
    tries: integerIn(row, 'tries'),
    problem: row['problem'] === null ? undefined : textIn(row, 'problem'),
    doneAt: optionalIntegerIn(row, 'done_at'),
  };
}

import { expect, test } from 'vitest';
import { reasonsInWords } from '../../../apps/filer-client/src/network/dial-failures.ts';

test('addresses with the same reason are told together, and any other reason once', () => {
  const messages = [
    'cannot connect to [::1]:1: connection refused: nothing listens there',
    'a:2 did not answer within 5 s',
    'cannot connect to b:3: connection refused: nothing listens there',
    'cannot connect to c:4: no such host name',
    'a:2 did not answer within 5 s',
  ];
  expect(reasonsInWords(messages.map((message) => ({ message })))).toBe(
    'cannot connect to [::1]:1, b:3: connection refused: nothing listens there; cannot connect to c:4: no such host name; a:2 did not answer within 5 s',
  );
});

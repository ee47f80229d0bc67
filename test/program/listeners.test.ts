import { Listeners } from '@filer/program';
import { expect, test } from 'vitest';

test('listeners are called in the order in which they were added, until they are taken off', () => {
  const listeners = new Listeners<[word: string]>();
  const heard: string[] = [];
  const forget = listeners.add((word) => heard.push(`first ${word}`));
  listeners.add((word) => heard.push(`second ${word}`));
  listeners.tell('a');
  forget();
  listeners.tell('b');

  expect(heard).toEqual(['first a', 'second a', 'second b']);
});

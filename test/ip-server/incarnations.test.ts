import { expect, test } from 'vitest';
import { Incarnations } from '../../apps/ip-server/src/network/incarnations.ts';

const [A, B, C] = ['1.aaaaaaaaaaaaaaaa', '1.bbbbbbbbbbbbbbbb', '2.cccccccccccccccc'];

test('a newer incarnation replaces the older one, also with an equal counter', () => {
  const incarnations = new Incarnations();

  expect(incarnations.judge('id', A, undefined, 0)).toBe('accept');
  expect(incarnations.judge('id', B, A, 1)).toBe('accept');
  expect(incarnations.judge('id', C, B, 2)).toBe('accept');
});

test('an older incarnation never replaces a newer one that is connected', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', C, undefined, 0);

  expect(incarnations.judge('id', A, C, 1)).toBe('refuse');
});

test('an older incarnation that comes again while the newer one is connected is its clone: both are told', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', C, undefined, 0);

  expect(incarnations.judge('id', A, C, 1)).toBe('refuse');
  expect(incarnations.judge('id', A, C, 1_000)).toBe('clone');
  expect(incarnations.judge('id', C, undefined, 1_001)).toBe('refuse');
});

test('an older incarnation that was refused is taken once the newer one has gone', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', C, undefined, 0);
  incarnations.judge('id', A, C, 1);

  expect(incarnations.judge('id', A, undefined, 1_000)).toBe('accept');
});

test('an older incarnation is taken when the newer one has gone: a home was restored', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', C, undefined, 0);

  expect(incarnations.judge('id', A, undefined, 1)).toBe('accept');
});

test('two that alternate within 60 s are both refused for as long', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', A, undefined, 0);
  incarnations.judge('id', B, A, 1_000);

  expect(incarnations.judge('id', A, B, 61_000)).toBe('clone');
  expect(incarnations.judge('id', A, undefined, 61_001)).toBe('refuse');
  expect(incarnations.judge('id', B, undefined, 61_002)).toBe('refuse');
  expect(incarnations.judge('id', B, undefined, 121_000)).toBe('accept');
});

test('one that comes back later than 60 s after it was replaced is a new start', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', A, undefined, 0);
  incarnations.judge('id', B, A, 1_000);

  expect(incarnations.judge('id', A, B, 61_001)).toBe('accept');
});

test('a third daemon that starts while two clones are barred is taken', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', A, undefined, 0);
  incarnations.judge('id', B, A, 1);
  incarnations.judge('id', A, B, 2);

  expect(incarnations.judge('id', C, undefined, 3)).toBe('accept');
});

test('one identity says nothing of another', () => {
  const incarnations = new Incarnations();
  incarnations.judge('id', C, undefined, 0);

  expect(incarnations.judge('other', A, undefined, 1)).toBe('accept');
});

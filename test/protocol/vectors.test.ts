import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { FrameDecoder, encodeFrame, type Header, type Message } from '@filer/protocol';
import { codeOf } from './outcome.ts';

interface GoodVector {
  readonly name: string;
  readonly hex: string;
  readonly header: Record<string, string>;
  readonly content: string;
}

interface BadVector {
  readonly name: string;
  readonly hex: string;
  readonly error: string;
}

const folder = new URL('../../packages/protocol/vectors/', import.meta.url);
const good: GoodVector[] = JSON.parse(await readFile(new URL('good.json', folder), 'utf8'));
const bad: BadVector[] = JSON.parse(await readFile(new URL('bad.json', folder), 'utf8'));

function decode(hex: string, pieceBytes = Infinity): Message[] {
  const bytes = Buffer.from(hex, 'hex');
  const decoder = new FrameDecoder();
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes), (message) => messages.push(message));
  }
  expect(decoder.midFrame).toBe(false);
  return messages;
}

/** `__proto__` and the like are plain keys here. */
function pairsOf(header: Header): [string, string][] {
  return Object.entries(header);
}

test.each(good)('good frame: $name', ({ hex, header, content }) => {
  for (const pieceBytes of [Infinity, 1, 3]) {
    const [message, ...more] = decode(hex, pieceBytes);
    expect(more).toEqual([]);
    expect(pairsOf(message?.header ?? {})).toEqual(pairsOf(header));
    expect(message?.content.toString('hex')).toBe(content);
  }
});

test.each(good)('good frame, laid out again and read again: $name', ({ header, content }) => {
  const frame = encodeFrame(header, Buffer.from(content, 'hex'));
  const [message] = decode(frame.toString('hex'));
  expect(pairsOf(message?.header ?? {})).toEqual(pairsOf(header));
  expect(message?.content.toString('hex')).toBe(content);
});

test.each(bad)('bad frame: $name', ({ hex, error }) => {
  expect(codeOf(() => decode(hex))).toBe(error);
  expect(codeOf(() => decode(hex, 1))).toBe(error);
});

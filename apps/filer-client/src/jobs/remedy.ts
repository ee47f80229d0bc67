import type { FilerError } from '@filer/protocol';
import { isPassing } from './while-lost.ts';

/** Why a transfer ended, in words, and what to type next when another try can succeed. */
export function withRemedy(
  { code, message }: FilerError,
  job: string,
  peer: string,
  mayQueue: boolean,
): string {
  if (!isPassing(code)) return message;
  const retry = `\`filer-client retry ${job}\``;
  return code === 'peer-unreachable' && mayQueue
    ? `${message}; ${retry} tries again, and \`send --queue\` sends when ${peer} is back`
    : `${message}; ${retry} continues it`;
}

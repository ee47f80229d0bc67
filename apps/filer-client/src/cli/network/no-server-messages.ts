import { printable } from '@filer/program';
import type { ServerProblemDocument } from '../../api/contract/peers.ts';

/** Says that there is no connection with the ip-server, and why if it is not just away. */
export function noServerWords(
  problem: Pick<ServerProblemDocument, 'code' | 'message'> | null | undefined,
): string {
  if (problem === null || problem === undefined || problem.code === 'server-unreachable')
    return 'the ip-server is away';
  return `no connection with the ip-server (${printable(problem.message)})`;
}

import { encodeReportBody, formatReport, FilerError } from '@filer/protocol';
import type { MemberConnection } from './test-member.ts';

const KiB = 1024;
const IN_FLIGHT = 64;

/** Sends reports of 63 KiB as fast as it can. @returns the answers: `stored`, or the code of a refusal */
export async function floodReports({ session }: MemberConnection, count: number): Promise<string[]> {
  const content = encodeReportBody({ title: '', values: [['x', 'y'.repeat(63 * KiB)]], schedule: '' });
  const answers: string[] = [];
  let seq = 0;
  const send = async (): Promise<void> => {
    while (seq < count) {
      const report = { spool: 'e'.repeat(32), seq: ++seq, kind: 'user', time: 1 } as const;
      const answer = session.ask(formatReport(report, content));
      answers.push(
        await answer.then(
          ({ header }) => String(header['type']),
          (error: unknown) => (error instanceof FilerError ? error.code : String(error)),
        ),
      );
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  return answers;
}

import { resolve } from 'node:path';
import { FilerError } from '@filer/protocol';
import { ANY_TEXT, list, optional, textKind, type ArgumentValues, type Context } from '@filer/program';
import { contract } from '../../api/contract.ts';
import { call } from '../../api/daemon-client.ts';
import type { SpooledReport } from '../../api/contract/reports.ts';
import { timeoutMs } from '../arguments.ts';

const FILE = textKind('a file', { completes: 'file' });

export const args = {
  values: list(textKind('KEY=VALUE'), 'what to report'),
  attach: list(FILE, 'a file to attach, up to 64 MiB'),
  title: optional(ANY_TEXT, 'a title of one line'),
  timeoutMs,
};

export const examples = [
  'report temperature=21.5 state=ok',
  'report --title "nightly build" result=green',
  'report result=red --attach build.log --attach trace.json',
];

export async function run(
  { values, attach, title, timeoutMs }: ArgumentValues<typeof args>,
  context: Context,
): Promise<void> {
  const { output } = context;
  if (values.length === 0 && title === undefined && attach.length === 0) {
    throw new FilerError(
      'usage',
      'there is nothing to report: give KEY=VALUE pairs such as temperature=21.5, --title TEXT, or --attach FILE',
    );
  }
  const outcome = await call(context, contract.report, {
    values: values.map(parsePair),
    title: title ?? '',
    attach: attach.map((path) => resolve(path)),
    timeoutMs,
  });
  output.json(outcome);
  storedWords(outcome, output);
}

/** Says whether the server has a report. */
export function storedWords({ stored, spooled, reason }: SpooledReport, output: Context['output']): void {
  if (stored) {
    output.line('reported: the ip-server has it on disk');
    return;
  }
  const waiting = spooled === 1 ? '' : ` (${spooled} wait)`;
  output.line(`kept on disk${waiting}: ${reason ?? 'the ip-server has not stored it yet'}`);
  output.words('It is sent automatically when the ip-server is back and `filer-client start` runs here.');
}

function parsePair(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at <= 0)
    throw new FilerError(
      'usage',
      `KEY=VALUE takes a pair such as temperature=21.5, not ${JSON.stringify(text)}`,
    );
  return [text.slice(0, at), text.slice(at + 1)];
}

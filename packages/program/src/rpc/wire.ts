import {
  FilerError,
  fieldsOf,
  formatJson,
  parseJson,
  type Header,
  type Message,
  type Reply,
  MAX_CONTENT_BYTES,
} from '@filer/protocol';

/*
 * The control socket speaks the same header+content protocol as everything else; contents are JSON.
 *
 *   command                                          daemon
 *   {type: call, id: 1, call: a, method}   params   →
 *                                                   ←   {type: items, re: 1, more: 1}   items (any number of times)
 *                                                   ←   {type: result, re: 1}           result
 *                                                or ←   {type: error, re: 1, code, message}
 *   {type: cancel, call: a}                         →   aborts the call
 *   {type: ping}                                    →
 *                                                   ←   {type: pong}                    at once
 *
 *   params, result   {"value": …}, or no content for undefined: JSON has no undefined
 *   items            {"values": […]}
 *
 * A command that goes away, or closes, aborts what it called.
 */

const WHAT = 'a control message';

/** Starts a method. @param call names it for `cancelHeader`; unique on its connection */
export function callMessage(method: string, params: unknown, call: string): Reply {
  return { header: { type: 'call', call, method }, content: contentOf(params) };
}

/** Aborts what `call` started; what it has already told may still come. */
export function cancelHeader(call: string): Header {
  return { type: 'cancel', call };
}

/** What a method tells while it runs. */
export function itemsMessage(re: string, values: readonly unknown[]): Reply {
  return { header: { type: 'items', re, more: '1' }, content: formatJson({ values }) };
}

/** What it answers at its end. */
export function resultMessage(re: string, value: unknown): Reply {
  const header: Header = { type: 'result', re };
  return { header, content: contentOf(value) };
}

/** The value of a call or a result. @throws FilerError `message-malformed` */
export function valueOf({ content }: Message): unknown {
  return content.length === 0 ? undefined : fieldsIn(content)['value'];
}

/** @throws FilerError `message-malformed`, `unsupported` */
export function itemsOf({ content }: Message): readonly unknown[] {
  const { values } = fieldsIn(content);
  if (Array.isArray(values)) return values;
  throw new FilerError(
    'unsupported',
    'the running daemon tells its progress in another way, it may be another version, restart it',
  );
}

function fieldsIn(content: Uint8Array): Readonly<Record<string, unknown>> {
  return fieldsOf(parseJson(content, WHAT, MAX_CONTENT_BYTES), WHAT);
}

function contentOf(value: unknown): Uint8Array {
  return value === undefined ? new Uint8Array() : formatJson({ value });
}

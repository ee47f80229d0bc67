import {
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
 *   caller                                     daemon
 *   {type: call, id: 1, method}   params   →
 *                                          ←   {type: item, re: 1, more: 1}    one item   (any number)
 *                                          ←   {type: result, re: 1}           the result
 *                                       or ←   {type: error, re: 1, code, message}
 *
 * A caller that goes away, or closes, aborts what it called.
 */

/** Starts a method. */
export function callMessage(method: string, params: unknown): Reply {
  return { header: { type: 'call', method }, content: contentOf(params) };
}

/** What a method says while it runs, and at its end. */
export function answerMessage(re: string, value: unknown, isLast: boolean): Reply {
  const header: Header = isLast ? { type: 'result', re } : { type: 'item', re, more: '1' };
  return { header, content: contentOf(value) };
}

/** The value of a call or an answer: undefined without content. @throws FilerError `message-malformed` */
export function valueOf(message: Message): unknown {
  if (message.content.length === 0) return undefined;
  return fieldsOf(parseJson(message.content, 'a control message', MAX_CONTENT_BYTES), 'a control message')[
    'value'
  ];
}

/** JSON has no undefined, and a bare value no room beside it: `{"value": …}`. */
function contentOf(value: unknown): Uint8Array {
  return value === undefined ? new Uint8Array() : formatJson({ value });
}

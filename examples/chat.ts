/*
 * Two people talk: each side types at any time. One listens, the other connects:
 *
 *   node chat.ts listen [PORT] [HOST]
 *   node chat.ts connect PORT [HOST]
 *
 * Either leaves with Ctrl-D or `exit`; the other side is told, and leaves too.
 */
import { clearLine, createInterface, cursorTo } from 'node:readline';
import { describeAddress, FilerError } from '@filer/protocol';
import { Service, SocketStream } from '@filer/sockets';

const [mode, port = '0', host = '127.0.0.1'] = process.argv.slice(2);
const place = { transport: 'tcp', host, port: Number(port) } as const;

const typing = createInterface({ input: process.stdin, output: process.stdout, prompt: '' });
const typed = typing[Symbol.asyncIterator](); // now: lines typed before somebody is there are kept
const leaving = new AbortController();
typing.on('line', (line) => line === 'exit' && typing.close());
typing.on('SIGINT', () => typing.close());
typing.on('close', () => leaving.abort());

if (mode === 'connect') {
  await talk(await SocketStream.dial(place));
} else {
  await using service = await Service.listen(place, talk, { maxWaiting: 1 });
  show(`listening on ${describeAddress(service.address)}`);
  await service.handleRequest(leaving).catch(passOverLeaving); // exactly one
}
typing.close();
process.stdin.destroy(); // a readline that closes inside a line leaves it open

async function talk(stream: SocketStream): Promise<void> {
  show(`talking with ${stream.addr}; Ctrl-D or exit leaves`);
  const hearing = hear(stream).finally(() => typing.close());
  try {
    for (let next = await typed.next(); next.done !== true; next = await typed.next()) {
      if (next.value === 'exit') break;
      await stream.write(`${next.value}\n`);
    }
  } catch (error) {
    if (!(error instanceof FilerError)) throw error; // it left while we wrote
  }
  await stream.close();
  await hearing;
}

async function hear(stream: SocketStream): Promise<void> {
  try {
    for await (const line of stream.lines()) show(`them: ${line}`);
    show('the other side left');
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    show(leaving.signal.aborted ? 'you left' : `the other side is gone: ${error.message}`);
  }
}

/** Prints above what is being typed. What others send may not control our terminal. */
function show(text: string): void {
  if (process.stdout.isTTY) {
    cursorTo(process.stdout, 0);
    clearLine(process.stdout, 0);
  }
  console.log(text.replaceAll(/\p{Cc}/gu, '?'));
  if (process.stdout.isTTY && !leaving.signal.aborted) typing.prompt(true);
}

function passOverLeaving(error: unknown): void {
  if (!leaving.signal.aborted) throw error;
}

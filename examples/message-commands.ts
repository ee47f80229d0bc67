/*
 * The command line of message-server.ts and message-client.ts: it acts on a `Hub`, which both are.
 */
import { createInterface } from 'node:readline';
import { FilerError, type Hub, type Message, type Messenger } from '@filer/protocol';

const HELP = `list                       who is connected
send NUMBER TEXT           to one
multicast N,N,… TEXT       to some
broadcast TEXT             to all
close NUMBER               ends one connection
quit`;

/** Numbers for people, in order of connection. */
export class Names {
  readonly #numbers = new Map<Messenger, number>();
  #last = 0;

  numberOf(messenger: Messenger): number {
    const number = this.#numbers.get(messenger) ?? ++this.#last;
    this.#numbers.set(messenger, number);
    return number;
  }

  /** @param list such as `1` or `1,3` */
  named(hub: Hub, list = ''): Messenger[] {
    const wanted = new Set(list.split(',').map(Number));
    return [...hub.messengers].filter((messenger) => wanted.has(this.numberOf(messenger)));
  }
}

/** Callbacks that print what happens. */
export function printing(names: Names) {
  return {
    onConnected: (messenger: Messenger) =>
      console.log(`${names.numberOf(messenger)} connected (${messenger.addr})`),
    onMessage: (messenger: Messenger, { content }: Message) =>
      console.log(`${names.numberOf(messenger)}: ${content.toString().replaceAll(/\p{Cc}/gu, '?')}`),
    onClosed: (messenger: Messenger, remaining: number) =>
      console.log(`${names.numberOf(messenger)} closed, ${remaining} remain`),
  };
}

type Command = (...words: string[]) => unknown;

/** Reads commands until `quit` or the end of input (Ctrl-D), then stops the hub. */
export async function runCommands(
  hub: Hub,
  names: Names,
  more: Readonly<Record<string, Command>> = {},
): Promise<void> {
  const text = (words: string[]) => Buffer.from(words.join(' '));
  const commands: Record<string, Command> = {
    list: () => {
      for (const messenger of hub.messengers) {
        const { addr, sentBytes, receivedBytes } = messenger;
        console.log(
          `${names.numberOf(messenger)} ${addr} ${sentBytes} bytes sent, ${receivedBytes} received`,
        );
      }
      console.log(`${hub.messengers.size} connected`);
    },
    send: async (number, ...words) => {
      const [to] = names.named(hub, number);
      if (to === undefined) console.log(`there is no connection ${number}: see list`);
      else await hub.send(to, { type: 'text' }, text(words));
    },
    multicast: async (list, ...words) =>
      console.log(`sent to ${await hub.multicast(names.named(hub, list), { type: 'text' }, text(words))}`),
    broadcast: async (...words) =>
      console.log(`sent to ${await hub.broadcast({ type: 'text' }, text(words))}`),
    close: (number) => Promise.all(names.named(hub, number).map((messenger) => hub.closeClient(messenger))),
    ...more,
  };

  const typing = createInterface({ input: process.stdin });
  process.once('SIGINT', () => typing.close());
  for await (const line of typing) {
    const [name = '', ...words] = line.trim().split(/\s+/);
    if (name === 'quit') break;
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command === undefined) console.log(['commands:', ...Object.keys(more), HELP].join('\n'));
    else await attempt(() => command(...words));
  }
  process.stdin.destroy(); // a readline that closes inside a line leaves it open
  await hub.stop();
}

/** A command that fails says so, and the next can be typed. */
async function attempt(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof FilerError)) throw error;
    console.log(`failed: ${error.message}`);
  }
}

import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const TRIES = 200;

/** Resolves when something listens on a port of 127.0.0.1. */
export async function whenOpen(port: number): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (await answers(port)) return;
    await pause(25);
  }
  throw new Error(`nothing listens on port ${port}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (open: boolean) => (): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });
}

import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Contender } from './contender.ts';
import { firstLine, freePort, type Stage } from './stage.ts';

/** What a bare Node program does with the same work; one file only. */
export function bareLoop(stage: Stage): Contender {
  const script = fileURLToPath(new URL('bare-loop.ts', import.meta.url));
  return {
    name: 'bare Node loop',
    carry: async (source, round) => {
      const port = String(await freePort());
      const certificate = [stage.path('alice', 'cert.pem'), stage.path('alice', 'key.pem')];
      const options = { stdio: ['ignore', 'pipe', 'inherit'] as ['ignore', 'pipe', 'inherit'] };
      const sender = spawn(process.execPath, [script, 'send', source, port, ...certificate], options);
      const senderIsDone = once(sender, 'close');
      await firstLine(sender);
      const receiver = spawn(
        process.execPath,
        [script, 'receive', stage.path(`bare-${round}`), port],
        options,
      );
      await once(receiver, 'close');
      await senderIsDone;
      return undefined;
    },
  };
}

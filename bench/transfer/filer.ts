import type { ChildProcess } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Contender } from './contender.ts';
import { firstLine, run, type Stage } from './stage.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

type Program = 'ip-server' | 'filer-client';

/** A network of real daemons: alice, who sends, and the others. */
export class Filer {
  readonly #stage: Stage;
  readonly daemons = new Map<string, ChildProcess>();

  private constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** @param receivers their names, with the arguments of their daemons */
  static async open(stage: Stage, receivers: Readonly<Record<string, readonly string[]>>): Promise<Filer> {
    const filer = new Filer(stage);
    await filer.#start('ip-server', ['--host', '127.0.0.1', '--port', '0'], 'server');
    for (const [name, args] of Object.entries({ alice: [], ...receivers })) {
      const link = (await filer.command('ip-server', ['invite'], 'server')).trim();
      await filer.command('filer-client', ['join', link, '--name', name], name);
      await filer.#start('filer-client', ['--listen', '127.0.0.1:0', ...args], name);
    }
    for (const name of Object.keys(receivers)) {
      await filer.command('filer-client', ['send', join(root, 'package.json'), '--to', name], 'alice');
    }
    return filer;
  }

  command(program: Program, args: readonly string[], home: string): Promise<string> {
    return run(process.execPath, [binOf(program), ...args, '--quiet'], { env: this.#env(home) });
  }

  /** What a send to these receivers says at its end. */
  async send(
    source: string,
    to: readonly string[],
    more: readonly string[] = [],
  ): Promise<Record<string, unknown>> {
    const args = ['send', source, '--to', to.join(), ...more, '--json'];
    const lines = (await this.command('filer-client', args, 'alice')).trim().split('\n');
    return JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>;
  }

  /** Sending to one receiver, whose inbox is empty each time. */
  contender(name: string, to: string, isIncremental = false): Contender {
    return {
      name,
      isIncremental,
      carry: async (source, round) => {
        const done = await this.send(source, [to]);
        if (!isIncremental) await this.putAway(to, round);
        return Number(done['bytesSent']);
      },
    };
  }

  /** Sending once more what is there already, as people do: without being told about each file. */
  again(name: string, to: string): Contender {
    return {
      name,
      isIncremental: true,
      carry: async (source) => {
        await this.command('filer-client', ['send', source, '--to', to], 'alice');
        return undefined;
      },
    };
  }

  /** Out of the receiver's way, not deleted: that would slow down what comes after. */
  async putAway(receiver: string, round: string): Promise<void> {
    const inbox = this.#stage.path(receiver, 'inbox', 'alice');
    if (existsSync(inbox)) await rename(inbox, this.#stage.path(`${receiver}-${round}`));
  }

  async #start(program: Program, args: readonly string[], home: string): Promise<void> {
    const all = [binOf(program), 'start', ...args, '--log-level', 'error', '--quiet'];
    const daemon = this.#stage.serve(process.execPath, all, { env: this.#env(home) });
    this.daemons.set(home, daemon);
    await firstLine(daemon);
  }

  #env(home: string): NodeJS.ProcessEnv {
    const folder = this.#stage.path(home);
    return { ...process.env, IP_SERVER_HOME: folder, FILER_HOME: folder };
  }
}

function binOf(program: Program): string {
  return join(root, 'apps', program, 'bin', `${program}.js`);
}

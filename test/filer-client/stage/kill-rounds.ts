import { execFile, type ExecFileException } from 'node:child_process';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { NEW, OLD, type StagedHere } from './staged-here.ts';

const PROGRAM = join(import.meta.dirname, '../../fixtures/stage-switch.ts');

type Tree = Readonly<Record<string, string>>;

export type Act = 'release' | 'rollback';

const FROM = { release: OLD, rollback: NEW } as const;
const TO = { release: NEW, rollback: OLD } as const;

/** A receiver that is a process of its own, killed with `kill -9` in the middle of a release or a rollback. */
export class KillRounds {
  readonly #here: StagedHere;
  readonly #name: string;

  /** @param name of what is staged there for it */
  constructor(here: StagedHere, name: string) {
    this.#here = here;
    this.#name = name;
  }

  /**
   * Kills it once, and has the next process bring all to an end.
   *
   * @param where a step, or the number of a change on the disk
   * @returns what was wrong after it, in words; `changes`: how many there are in all, where it was not killed
   */
  async kill(act: Act, where: string): Promise<{ readonly wrong: string[]; readonly changes?: number }> {
    const here = this.#here;
    const { job, tops } = here.of(this.#name);
    const wrong: string[] = [];
    const look = async (when: string, ...versions: Tree[]): Promise<Tree[]> => {
      const found = await Promise.all(tops.map((top) => here.there(top)));
      for (const each of found)
        if (!versions.some((version) => isDeepStrictEqual(version, each)))
          wrong.push(`${act}, killed at ${where}: ${JSON.stringify(each)} ${when}`);
      return found;
    };
    const ask = async (what: Act) => (await here.switcher()).act(here.annaId, { job, act: what, keep: 1 });
    if (act === 'rollback') await ask('release');
    else if (here.stateOf(job) === 'released') await ask('rollback');
    await look('before it', FROM[act]);

    const changes = await this.#run(act, where);

    await look('after it', OLD, NEW);
    await (await here.switcher()).recover();
    const [x, y] = await look('after the next start', OLD, NEW);
    if (!isDeepStrictEqual(x, y)) wrong.push(`${act}, killed at ${where}: one name is new and one is old`);
    const isNew = isDeepStrictEqual(x, NEW);
    const state = here.stateOf(job) ?? '';
    if (isNew !== (state === 'released')) wrong.push(`${act}, killed at ${where}: ${state} with other files`);
    await ask(act);
    await look('in the end', TO[act]);
    return changes === undefined ? { wrong } : { wrong, changes };
  }

  /** @throws Error when it ends by itself, and not well */
  async #run(act: Act, where: string): Promise<number | undefined> {
    const { home, inbox, annaId } = this.#here;
    const { job } = this.#here.of(this.#name);
    const args = [PROGRAM, home, inbox, annaId, job, act, where];
    const { error, stdout } = await new Promise<{ error: ExecFileException | null; stdout: string }>(
      (resolve) =>
        execFile(process.execPath, args, (failure, output) => resolve({ error: failure, stdout: output })),
    );
    if (error === null) return Number(stdout);
    if (error.signal !== 'SIGKILL') throw new Error(error.message, { cause: error });
    return undefined;
  }
}

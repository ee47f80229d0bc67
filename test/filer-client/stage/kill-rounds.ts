import { execFile, type ExecFileException } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import { NEW, OLD, StagedHere } from './staged-here.ts';

const PROGRAM = join(import.meta.dirname, '../../fixtures/stage-switch.ts');

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
   * @returns undefined when it was killed, else how many changes there are in all
   */
  async kill(act: Act, where: string): Promise<number | undefined> {
    const here = this.#here;
    const { job, tops } = here.of(this.#name);
    const ask = async (what: Act) => (await here.switcher()).act(here.annaId, { job, act: what, keep: 1 });
    if (act === 'rollback') await ask('release');
    else if (here.stateOf(job) === 'released') await ask('rollback');
    for (const top of tops) expect(await here.there(top)).toEqual(FROM[act]);

    const changes = await this.#run(act, where);

    for (const top of tops) expect([OLD, NEW]).toContainEqual(await here.there(top));
    await (await here.switcher()).recover();
    const found = await Promise.all(tops.map((top) => here.there(top)));
    expect([FROM[act], TO[act]]).toContainEqual(found[0]);
    expect(found[1]).toEqual(found[0]);
    const isDone = 'c' in (found[0] ?? {}) === (act === 'release');
    const states = isDone
      ? [act === 'release' ? 'released' : 'rolled-back']
      : ['staged', 'rolled-back', 'released'];
    expect(states).toContain(here.stateOf(job));
    await ask(act);
    for (const top of tops) expect(await here.there(top)).toEqual(TO[act]);
    return changes;
  }

  async #run(act: Act, where: string): Promise<number | undefined> {
    const { home, inbox, annaId } = this.#here;
    const { job } = this.#here.of(this.#name);
    const args = [PROGRAM, home, inbox, annaId, job, act, where];
    const { error, stdout } = await new Promise<{ error: ExecFileException | null; stdout: string }>(
      (resolve) =>
        execFile(process.execPath, args, (failure, output) => resolve({ error: failure, stdout: output })),
    );
    if (error === null) return Number(stdout);
    expect(error.signal, error.message).toBe('SIGKILL');
    return undefined;
  }
}

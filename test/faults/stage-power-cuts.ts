import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { vi } from 'vitest';
import { resolveHome } from '@filer/program';
import { Member } from '../../apps/filer-client/src/network/member.ts';
import type { SwitchStep } from '../../apps/filer-client/src/receive/stage/switching.ts';
import { NEW, OLD, StagedHere, switcherOf, treeAt } from '../filer-client/stage/staged-here.ts';
import { ImageDisk } from './image-disk.ts';

const IMAGE_BYTES = 96 * 1024 * 1024;

/** What somebody there has put into the folder, some folders deep. */
const OWN = { 'sub/own/deep/file': 'bob' };

/** Ways of a name to look: the old version or the new one, with what was there beside it. */
const WHOLE = { release: { ...NEW, ...OWN }, rollback: { ...OLD, ...OWN } };

export type Act = 'release' | 'rollback';

/** A receiver on a small disk of its own, which is cut off at a step. */
export class StagePowerCuts implements AsyncDisposable {
  readonly #disk: ImageDisk;
  readonly #here: StagedHere;

  private constructor(disk: ImageDisk, here: StagedHere) {
    this.#disk = disk;
    this.#here = here;
  }

  static async open(): Promise<StagePowerCuts> {
    const disk = await ImageDisk.open(IMAGE_BYTES);
    vi.stubEnv('TMPDIR', disk.path);
    try {
      const here = await StagedHere.open(['cut']);
      for (const top of here.of('cut').tops) {
        await mkdir(here.at(top, 'sub/own/deep'), { recursive: true });
        await writeFile(here.at(top, 'sub/own/deep/file'), OWN['sub/own/deep/file']);
      }
      await disk.sync();
      return new StagePowerCuts(disk, here);
    } finally {
      vi.unstubAllEnvs();
    }
  }

  /** Cuts the power at a step, and starts what the disk has then. @returns what was wrong, in words */
  async cut(what: Act, at: SwitchStep): Promise<string[]> {
    const here = this.#here;
    const { annaId } = here;
    const { job } = here.of('cut');
    const act = await here.switcher();
    const state = here.stateOf(job);
    if (what === 'rollback' && state !== 'released') await act.act(annaId, { job, act: 'release' });
    if (what === 'release' && state === 'released') await act.act(annaId, { job, act: 'rollback' });
    const { act: cut, stopped } = await here.killedAt(at);
    void cut.act(annaId, { job, act: what });
    await stopped;
    const wrong = await this.#startFromCopy(what);
    await (await here.switcher()).recover();
    return wrong.map((each) => `${what}, cut at ${at}: ${each}`);
  }

  async #startFromCopy(what: Act): Promise<string[]> {
    const { home, inbox, annaId } = this.#here;
    const { job, tops } = this.#here.of('cut');
    const { path: disk } = this.#disk;
    await this.#disk.cut();
    return await this.#disk.look(async (there, copy) => {
      const wrong: string[] = [];
      const look = async (when: string, ...versions: object[]): Promise<object[]> => {
        const found = await Promise.all(tops.map((top) => treeAt(there(join(inbox, 'anna', top)))));
        for (const each of found)
          if (!versions.some((version) => isDeepStrictEqual(version, each)))
            wrong.push(`${JSON.stringify(each)} ${when}`);
        return found;
      };
      await look('on the disk', ...Object.values(WHOLE));
      using member = await Member.open(resolveHome('filer-client', { FILER_HOME: there(home) }));
      // It is at another place here.
      for (const table of ['deliveries', 'inbox'])
        member.database.prepare(`UPDATE ${table} SET path = replace(path, ?, ?)`).run(disk, copy);
      const next = await switcherOf(member, there(inbox));
      await next.recover();
      const [x, y] = await look('after the next start', ...Object.values(WHOLE));
      if (!isDeepStrictEqual(x, y)) wrong.push('one name is new and one is old');
      await next.act(annaId, { job, act: what });
      await look('in the end', WHOLE[what]);
      return wrong;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#here[Symbol.asyncDispose]();
    await this.#disk[Symbol.asyncDispose]();
  }
}

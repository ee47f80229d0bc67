import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLogger, resolveHome } from '@filer/program';
import { FreeSpace } from '@filer/transfer';
import { Member } from '../../../apps/filer-client/src/network/member.ts';
import { StageSwitch } from '../../../apps/filer-client/src/receive/stage/stage-switch.ts';
import { StageUpkeep } from '../../../apps/filer-client/src/receive/stage/stage-upkeep.ts';
import { Stages, type StageSettings } from '../../../apps/filer-client/src/receive/stage/stages.ts';
import type { SwitchStep } from '../../../apps/filer-client/src/receive/stage/switching.ts';
import { NetworkHere } from '../../support/network-here.ts';
import { filesBelow } from '../../support/test-network.ts';

/** A release or a rollback comes to each of these, in this order. */
export const STEPS: readonly SwitchStep[] = [
  'begun',
  'prepared',
  'noted',
  'switched one',
  'switched',
  'kept',
  'done',
];

export const OLD = { a: 'one', 'sub/b': 'old', gone: 'gone soon' };
export const NEW = { a: 'one', 'sub/b': 'new', c: 'added' };

const SETTINGS: StageSettings = {
  accept: 'members',
  allowRelease: true,
  allowMirror: true,
  stagedKeepMs: 1e9,
  stagedLinks: false,
  sync: true,
  onReceived: undefined,
};

/** Folders of one test: two tops that anna has sent to bob, and newer ones that are staged at him. */
export interface Staged {
  readonly job: string;
  readonly tops: readonly [string, string];
}

/** Bob's side without a daemon: what is staged there is switched by the test. */
export class StagedHere {
  readonly member: Member;
  readonly inbox: string;
  readonly annaId: string;
  readonly #network: NetworkHere;
  readonly #staged: ReadonlyMap<string, Staged>;

  private constructor(
    network: NetworkHere,
    member: Member,
    inbox: string,
    annaId: string,
    staged: ReadonlyMap<string, Staged>,
  ) {
    this.#network = network;
    this.member = member;
    this.inbox = inbox;
    this.annaId = annaId;
    this.#staged = staged;
  }

  /** @param tests one job for each, by name @param deep those of which the names are some folders deep */
  static async open(tests: readonly string[], deep: readonly string[] = []): Promise<StagedHere> {
    const network = await NetworkHere.open();
    const [anna, bob] = [await network.add('anna'), await network.add('bob')];
    await anna.sees('bob');
    const [annaId, { inbox }] = [anna.daemon.id, bob.daemon];
    const staged = new Map<string, Staged>();
    for (const test of [...tests, ...deep]) {
      const isDeep = deep.includes(test);
      const names = [`${test}-x`, `${test}-y`] as const;
      const [x, y] = names;
      const tops = isDeep ? ([`deep/er/${x}`, `deep/er/${y}`] as const) : names;
      const into = isDeep ? ['--into', 'deep/er'] : [];
      const folders = names.map((name) => join(network.folder, name));
      const send = async (files: Readonly<Record<string, string>>, ...more: string[]): Promise<string> => {
        for (const folder of folders) {
          await mkdir(join(folder, 'sub'), { recursive: true });
          for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
        }
        return String((await anna.ask('send', ...folders, '--to', 'bob', ...into, ...more))['job']);
      };
      await send(OLD);
      for (const folder of folders) await rm(join(folder, 'gone'));
      staged.set(test, { job: await send(NEW, '--stage', '--mirror'), tops });
    }
    await bob[Symbol.asyncDispose]();
    const member = await Member.open(resolveHome('filer-client', { FILER_HOME: bob.home }));
    return new StagedHere(network, member, inbox, annaId, staged);
  }

  /** Of bob. */
  get home(): string {
    return this.#network.home('bob');
  }

  of(test: string): Staged {
    const staged = this.#staged.get(test);
    if (staged === undefined) throw new Error(`nothing is staged for ${test}`);
    return staged;
  }

  at(...path: string[]): string {
    return join(this.inbox, 'anna', ...path);
  }

  /** What has a name at bob. */
  there(top: string): Promise<Record<string, string>> {
    return treeAt(this.at(top));
  }

  stateOf(job: string): string | undefined {
    return this.member.stages.find(this.annaId, job)?.state;
  }

  async upkeep(changed: Partial<StageSettings> = {}): Promise<StageUpkeep> {
    const options = await optionsOf(this.member, this.inbox, changed);
    return new StageUpkeep({ ...options, stages: new Stages(options) });
  }

  async switcher(
    step?: (at: SwitchStep) => void | Promise<void>,
    changed: Partial<StageSettings> = {},
  ): Promise<StageSwitch> {
    return await switcherOf(this.member, this.inbox, step, changed);
  }

  /** One that stands still at a step, as one that was killed there. */
  async killedAt(stopsAt: SwitchStep): Promise<{ act: StageSwitch; stopped: Promise<void> }> {
    const stopped = Promise.withResolvers<void>();
    const act = await this.switcher((at) => {
      if (at !== stopsAt) return undefined;
      stopped.resolve();
      return new Promise(() => undefined);
    });
    return { act, stopped: stopped.promise };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.member[Symbol.dispose]();
    await this.#network[Symbol.asyncDispose]();
  }
}

export async function switcherOf(
  member: Member,
  inbox: string,
  step?: (at: SwitchStep) => void | Promise<void>,
  changed: Partial<StageSettings> = {},
): Promise<StageSwitch> {
  const options = await optionsOf(member, inbox, changed);
  const stages = new Stages(options);
  const upkeep = new StageUpkeep({ ...options, stages });
  const space = new FreeSpace(inbox);
  return new StageSwitch({ ...options, stages, upkeep, space, onHook: () => undefined, step });
}

async function optionsOf(member: Member, inbox: string, changed: Partial<StageSettings>) {
  const log = await createLogger({ stream: { write: () => undefined } });
  return { member, inbox, settings: { ...SETTINGS, ...changed }, log };
}

/** Files below a folder. */
export async function treeAt(folder: string): Promise<Record<string, string>> {
  const paths = await filesBelow(folder);
  const read = async (path: string) => [path, await readFile(join(folder, path), 'utf8')] as const;
  return Object.fromEntries(await Promise.all(paths.map(read)));
}

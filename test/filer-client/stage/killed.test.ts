import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesBelow } from '../../support/test-network.ts';
import { KillRounds } from './kill-rounds.ts';
import { NEW, OLD, StagedHere, STEPS } from './staged-here.ts';

let here: StagedHere;
beforeAll(async () => {
  here = await StagedHere.open(['release', 'rollback', 'others', 'forbidden', 'process']);
});
afterAll(() => here[Symbol.asyncDispose]());

function expectWhole(found: Record<string, string>): 'old' | 'new' {
  const which = 'gone' in found ? 'old' : 'new';
  expect(found).toEqual(which === 'old' ? OLD : NEW);
  return which;
}

test.each(['release', 'rollback'] as const)(
  'a receiver that is killed at any step of a %s has the old or the new version whole, and comes to one of them at its next start',
  async (what) => {
    const { job, tops } = here.of(what);
    const { annaId } = here;
    const before = what === 'release' ? 'rollback' : 'release';
    const [from, to] = what === 'release' ? (['old', 'new'] as const) : (['new', 'old'] as const);
    for (const stopsAt of STEPS) {
      if (what === 'rollback' || here.stateOf(job) === 'released')
        await (await here.switcher()).act(annaId, { job, act: before });
      for (const top of tops) expect(expectWhole(await here.there(top))).toBe(from);
      const { act, stopped } = await here.killedAt(stopsAt);
      void act.act(annaId, { job, act: what });
      await stopped;
      for (const top of tops) expectWhole(await here.there(top));

      const next = await here.switcher();
      await next.recover();

      const isBegun = STEPS.indexOf(stopsAt) >= STEPS.indexOf('switched one');
      for (const top of tops) expect(expectWhole(await here.there(top))).toBe(isBegun ? to : from);
      expect(['released', 'rolled-back', 'staged']).toContain(here.stateOf(job));
      const answer = await next.act(annaId, { job, act: what });
      expect(answer.word.state).toBe(what === 'release' ? 'released' : 'rolled-back');
      for (const top of tops) expect(expectWhole(await here.there(top))).toBe(to);
    }
  },
);

test('a process that is killed between two names of a release or a rollback leaves both whole, and the next one ends it', async () => {
  const rounds = new KillRounds(here, 'process');
  expect(await rounds.kill('release', 'switched one')).toEqual({ wrong: [] });
  expect(await rounds.kill('rollback', 'switched one')).toEqual({ wrong: [] });
});

test('a job is released and rolled back by the machine that sent it, and by no other', async () => {
  const { job } = here.of('others');
  const act = await here.switcher();
  const other = 'A'.repeat(52);
  for (const what of ['release', 'rollback', 'ask'] as const)
    await expect(act.act(other, { job, act: what })).rejects.toMatchObject({ code: 'no-such-job' });
});

test('a receiver that forbids it releases nothing, and one that forbids removals nothing that removes', async () => {
  const { job, tops } = here.of('forbidden');
  for (const settings of [{ allowRelease: false }, { allowMirror: false }, { accept: 'none' }] as const) {
    const act = await here.switcher(undefined, settings);
    await expect(act.act(here.annaId, { job, act: 'release' })).rejects.toMatchObject({
      code: 'accept' in settings ? 'declined' : 'refused',
    });
  }
  expect(here.stateOf(job)).toBe('staged');
  expect(await here.there(tops[0])).toEqual(OLD);
});

test('what was not released is dropped after staged-keep, and then cannot be', async () => {
  // Of its own: all that waits there is dropped.
  await using own = await StagedHere.open(['dropped']);
  const { job } = own.of('dropped');
  const stage = own.member.stages.find(own.annaId, job);

  await (await own.upkeep({ stagedKeepMs: -1 })).clean();

  expect(own.stateOf(job)).toBe('dropped');
  const left = await filesBelow(join(own.inbox, 'anna'));
  expect(left.some((path) => path.includes(stage?.hidden ?? '?'))).toBe(false);
  const act = await own.switcher();
  await expect(act.act(own.annaId, { job, act: 'release' })).rejects.toMatchObject({ code: 'no-such-job' });
});

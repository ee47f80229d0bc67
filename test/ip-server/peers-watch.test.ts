import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { screenLines } from '@filer/program';
import type { PeerEntry, ScheduleEntry } from '../../apps/ip-server/src/api/contract/members.ts';
import { peersScreen } from '../../apps/ip-server/src/cli/members/peers.ts';
import { RunningServer } from '../support/ip-server.ts';
import { needs } from '../support/needs.ts';
import { ScreenModel } from '../support/screen.ts';
import { Terminal } from '../support/terminal.ts';
import { TestMember } from '../support/test-member.ts';

const NOW = Date.parse('2026-11-21T18:00:00.000Z');
const MINUTE = 60_000;
const bin = fileURLToPath(new URL('../../apps/ip-server/bin/ip-server.js', import.meta.url));

/** What `peers` answers of one machine, but for what is given. */
function peer(name: string, more: Partial<PeerEntry> = {}): PeerEntry {
  return {
    id: `id of ${name}`,
    name,
    groups: ['lab'],
    online: true,
    state: 'online',
    lastSeen: new Date(NOW - 3 * MINUTE).toISOString(),
    addresses: ['192.0.2.17:10902'],
    version: '0.1.0',
    via: null,
    server: null,
    lastHeartbeat: {
      time: new Date(NOW).toISOString(),
      uptimeMs: 0,
      load: 0.25,
      memoryTotalBytes: 0,
      memoryFreeBytes: 0,
      inboxFreeBytes: 73_304_829_952,
      transfers: 0,
      spooled: 0,
    },
    reports: 'ok',
    schedules: [],
    ...more,
  };
}

function schedule(name: string, state: ScheduleEntry['state'], minutes: number): ScheduleEntry {
  const since = new Date(NOW - minutes * MINUTE).toISOString();
  return { name, state, dueAt: since, lastReportAt: null, since };
}

const PEERS = {
  server: { connected: true, asOf: new Date(NOW).toISOString() },
  peers: [
    peer('anna'),
    peer('bob', { online: false, state: 'lost' }),
    peer('carol', {
      reports: 'late',
      schedules: [schedule('disk', 'ok', 90), schedule('nightly', 'late', 3)],
    }),
    peer('dora', {
      reports: 'missing',
      schedules: [
        ...[schedule('a', 'late', 1), schedule('b', 'missing', 25), schedule('c', 'missing', 60)],
        schedule('d', 'missing', 2),
      ],
    }),
    peer('erik', { online: false, state: 'stopped', reports: 'stopped' }),
  ],
};

function lines(columns: number, stdout = Object.assign(new PassThrough(), { isTTY: false })): string[] {
  return screenLines(peersScreen(PEERS, { now: NOW, columns }, stdout));
}

describe('the table of peers', () => {
  test('has the missing first, then the late, the lost, and the others by name', () => {
    expect(lines(Number.POSITIVE_INFINITY)).toEqual(
      [
        'NAME   STATE              REPORTS                            LAST SEEN  GROUPS     FREE  LOAD  ADDRESS           VERSION',
        'dora   online             missing b 25m, missing c 1h, 2 more  now      lab     73.3 GB  0.25  192.0.2.17:10902  0.1.0',
        'carol  online             late nightly 3m                    now        lab     73.3 GB  0.25  192.0.2.17:10902  0.1.0',
        'bob    offline (lost)     ok                                 3m ago     lab     73.3 GB  0.25  192.0.2.17:10902  0.1.0',
        'anna   online             ok                                 now        lab     73.3 GB  0.25  192.0.2.17:10902  0.1.0',
        'erik   offline (stopped)  stopped                            3m ago     lab     73.3 GB  0.25  192.0.2.17:10902  0.1.0',
      ].map((line) => expect.stringContaining(line.slice(0, 24)) as unknown),
    );
    expect(lines(Number.POSITIVE_INFINITY)[1]).toMatch(/missing b 25m, missing c 1h, 2 more +now +lab/);
    expect(lines(Number.POSITIVE_INFINITY)[2]).toMatch(/late nightly 3m +now/);
  });

  test('names the server that holds a session where there are several', () => {
    const id = '7KQ2MA5F4DX3TLHPQ';
    const peers = [peer('anna', { server: id }), peer('bob', { server: null })];
    const table = (count: number): string[] =>
      screenLines(
        peersScreen(
          { server: { ...PEERS.server, count }, peers },
          { now: NOW, columns: 100 },
          Object.assign(new PassThrough(), { isTTY: false }),
        ),
      );

    expect(table(1)[0]).not.toContain('SERVER');
    expect(table(2)[0]).toContain('SERVER');
    expect(table(2)[1]).toContain('7KQ2MA5F4DX3 ');
    expect(table(2)[2]).not.toContain('7KQ2');
  });

  test('fits 80 columns, and keeps who, how, and since when', () => {
    const shown = lines(80);

    for (const line of shown) expect(line.length).toBeLessThanOrEqual(80);
    expect(shown[0]).toMatch(/^NAME +STATE +REPORTS +LAST SEEN +GROUPS/);
    expect(shown[0]).not.toContain('VERSION');
    expect(lines(60)[0]).toMatch(/^NAME +STATE +REPORTS +LAST SEEN( +GROUPS)?$/);
  });

  test('marks with colour, too, where there is a terminal that has it', () => {
    const terminal = (colours: number) =>
      Object.assign(new PassThrough(), { isTTY: true, getColorDepth: () => colours });
    vi.stubEnv('NO_COLOR', undefined);
    vi.stubEnv('FORCE_COLOR', undefined);
    onTestFinished(() => void vi.unstubAllEnvs());

    expect(lines(80, terminal(8)).join('\n')).toContain('\u001B[33mlate nightly 3m\u001B[39m');
    expect(lines(80, terminal(1)).join('\n')).not.toContain('\u001B');
  });
});

test.skipIf(needs('python3'))(
  'peers --watch on a terminal shows what changes in one place, and Ctrl-C gives the terminal back',
  async () => {
    await using server = await RunningServer.start(['--settle', '0ms']);
    const link = await server.invite('--uses', '2');
    await using nas = await (await TestMember.join(link, 'nas')).connect();
    await using web = await (await TestMember.join(link, 'web')).connect();
    const command = `stty rows 5 cols 60; exec "${process.execPath}" "${bin}" peers --watch`;
    const terminal = new Terminal(['sh', '-c', command], { IP_SERVER_HOME: server.home, NO_COLOR: '1' });
    onTestFinished(() => terminal.kill());
    const screen = (): ScreenModel => {
      const model = new ScreenModel(60, 5);
      model.write(terminal.shown);
      return model;
    };
    await terminal.shows('web');
    expect(screen().isOther).toBe(true);
    const due = { nextInMs: 0, thirdInMs: 0, graceMs: 0, always: false };
    await web.announce({ name: 'nightly', ...due });
    await terminal.shows('missing nightly');
    await terminal.shows('nas'); // the frame continues behind it
    const shown = screen();

    expect(shown.lines).toHaveLength(3);
    expect(shown.lines[0]).toMatch(/^NAME +STATE +REPORTS +LAST SEEN/);
    expect(shown.lines[1]).toMatch(/^web +online +missing nightly \d+s +now/);
    expect(shown.lines[2]).toMatch(/^nas +online +now/);
    terminal.type('\u0003');
    expect(await terminal.ended()).toBe(130);
    const left = screen();
    expect({ other: left.isOther, cursor: left.cursorIsShown, wraps: left.wraps }).toEqual({
      other: false,
      cursor: true,
      wraps: true,
    });
    expect(terminal.shown).not.toMatch(/\u001B\[3[0-9]m/); // NO_COLOR
    expect(left.lines.filter((line) => line.startsWith('web '))).toHaveLength(1);
    expect(nas.member.id).not.toBe(web.member.id);
  },
);

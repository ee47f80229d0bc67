import {
  iso,
  formatAgo,
  formatBytes,
  readConfiguration,
  renderTable,
  type Column,
  type Context,
} from '@filer/program';
import { requireKnownPeer } from '../../network/known-peer.ts';
import type { Member } from '../../network/member.ts';
import { clientSettings } from '../../settings.ts';
import type { KeptStage } from '../../store/stage-rows.ts';

const COLUMNS: readonly Column[] = [
  { title: 'JOB', fit: 'whole' },
  { title: 'FROM', fit: 'whole' },
  { title: 'STATE', fit: 'whole' },
  { title: 'FILES', fit: 'whole', align: 'right', dropOrder: 3 },
  { title: 'SIZE', fit: 'whole', align: 'right', dropOrder: 2 },
  { title: 'SINCE', fit: 'whole', dropOrder: 4 },
  { title: 'DROPPED', fit: 'whole', dropOrder: 5 },
  { title: 'WHAT', fit: 'below' },
];

/** What takes room here, and is not what has its names. */
function isHeld({ state }: KeptStage): boolean {
  return state !== 'closed' && state !== 'dropped';
}

/** `inbox --staged` */
export async function showStaged(member: Member, from: string | undefined, context: Context): Promise<void> {
  const { output, home, env } = context;
  const all = member.stages.list().filter(isHeld);
  if (from !== undefined)
    requireKnownPeer(
      member,
      from,
      all.map(({ sender: id, senderName: name }) => ({ id, name })),
    );
  const { stagedKeepMs } = await readConfiguration(clientSettings, { home, env, flags: {} });
  const now = member.clock.now();
  const shown = all.filter(
    ({ sender, senderName }) =>
      from === undefined || senderName === from.toLowerCase() || sender === from.toUpperCase(),
  );
  const dropsAt = ({ state, changedAt }: KeptStage): number | null =>
    state === 'released' ? null : changedAt + stagedKeepMs;
  output.json({
    staged: shown.map((stage) => {
      const { job, senderName, sender, state, files, bytes, removed, folder, tops, note, changedAt } = stage;
      const at = dropsAt(stage);
      return {
        job,
        from: senderName,
        fromId: sender,
        state,
        files,
        size: bytes,
        removed,
        folder,
        names: tops,
        note,
        changedAt: iso(changedAt),
        droppedAt: at === null ? null : iso(at),
      };
    }),
  });
  if (shown.length === 0) {
    output.words('Nothing is staged here.');
    return;
  }
  const rows = shown.map((stage) => {
    const at = dropsAt(stage);
    const names =
      stage.tops.slice(0, 3).join(', ') + (stage.tops.length > 3 ? ` and ${stage.tops.length - 3} more` : '');
    return [
      stage.job,
      stage.senderName,
      stage.state,
      stage.files.toLocaleString('en-US'),
      formatBytes(stage.bytes),
      formatAgo(stage.changedAt, now),
      at === null ? 'with the next release' : iso(at).slice(0, 10),
      `${stage.folder}/: ${names}`,
    ];
  });
  output.quote(renderTable(COLUMNS, rows, output.columns));
}

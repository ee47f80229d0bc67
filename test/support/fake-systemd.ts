import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Does what systemctl does as far as services of ours go: starts what a unit says, and ends it. */
const SYSTEMCTL = `#!/bin/sh
state=$FAKE_SYSTEMD
echo "$*" >> "$state/calls"
[ "$1" = --user ] && shift
command=$1
shift
[ "$1" = --now ] && shift
unit=$SYSTEMD_UNIT_PATH/$1.service
alive() { [ -s "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null; }
end() {
  alive || return 0
  kill "$(cat "$state/pid")"
  while alive; do sleep 0.02; done
  rm -f "$state/pid"
}
case $command in
  show) [ ! -e "$state/absent" ] || { echo "System has not been booted with systemd" >&2; exit 1; } ;;
  is-active) alive ;;
  is-enabled) [ -e "$state/enabled" ] ;;
  enable) [ -e "$unit" ] && touch "$state/enabled" ;;
  disable) rm -f "$state/enabled"; end ;;
  restart | start)
    [ "$command" = start ] || end
    alive && exit 0
    variables=$(sed -n 's/^Environment=//p' "$unit" | tr '\\n' ' ')
    own='SYSTEMD_EXEC_PID=$$ exec "$@"'
    eval "env $variables sh -c '$own' sh $(sed -n 's/^ExecStart=//p' "$unit") > '$state/log' 2>&1 &"
    echo $! > "$state/pid"
    ;;
esac
`;

const LOGINCTL = '#!/bin/sh\nexit ${FAKE_LINGER:-0}\n';

/** A folder with a systemctl that keeps what it manages there. */
export interface FakeSystemd {
  /** What a command needs to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** The file of a unit. */
  readonly unit: (program: string) => string;
  /** How it was called so far, a line each. */
  readonly calls: () => Promise<string[]>;
  /** Makes this a machine without systemd. */
  readonly takeAway: () => Promise<void>;
}

export async function fakeSystemd(folder: string): Promise<FakeSystemd> {
  const [bin, state, units] = ['bin', 'state', 'units'].map((name) => join(folder, name));
  if (bin === undefined || state === undefined || units === undefined) throw new Error('three folders');
  for (const each of [bin, state, units]) await mkdir(each, { recursive: true });
  for (const [name, script] of Object.entries({ systemctl: SYSTEMCTL, loginctl: LOGINCTL })) {
    await writeFile(join(bin, name), script);
    await chmod(join(bin, name), 0o755);
  }
  return {
    env: {
      PATH: `${bin}:${process.env['PATH'] ?? ''}`,
      FAKE_SYSTEMD: state,
      SYSTEMD_UNIT_PATH: units,
    },
    unit: (program) => join(units, `${program}.service`),
    calls: async () =>
      (await readFile(join(state, 'calls'), 'utf8').catch(() => '')).split('\n').slice(0, -1),
    takeAway: () => writeFile(join(state, 'absent'), ''),
  };
}

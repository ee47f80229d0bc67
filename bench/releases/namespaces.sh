#!/bin/bash
# A build for a group of machines, each in a network namespace: staged with one machine off and one killed in the middle, released in
# waves, a second version that a program refuses, and the way back. Compares each machine with `diff -r` and with the sender's ledger.
#
#     sudo bench/releases/namespaces.sh [CLIENTS [FILES [MIB]]]     # 12 20000 1000, the sender among the clients
#
# Needs `ip` and a build. Ends with "all agree", or with exit code 1 and what does not.
set -e -o pipefail
clients=${1:-12} files=${2:-20000} mib=${3:-1000}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/filer-releases.XXXX")
node="$root/node_modules/.bin/node"
client="$node $root/apps/filer-client/bin/filer-client.js"
server="$node $root/apps/ip-server/bin/ip-server.js"
declare -A daemon
wrong=0

clean() {
  kill "${daemon[@]}" 2>/dev/null || true
  sleep 1
  kill -9 "${daemon[@]}" 2>/dev/null || true
  for n in $(seq 0 "$clients"); do ip netns del "filerr$n" 2>/dev/null || true; done
  ip link del filerrbr 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
set -E
trap 'echo "WRONG: line $LINENO failed"' ERR

say() { printf '%6.1f s  %s\n' "$(echo "$(date +%s.%N) - $begun" | bc)" "$*"; }
fault() { say "WRONG: $*"; wrong=1; }
# Runs a command of machine N.
at() { local n=$1; shift; FILER_HOME="$work/m$n" ip netns exec "filerr$n" $client "$@"; }
start() {
  FILER_HOME="$work/m$1" ip netns exec "filerr$1" $client start --listen "10.78.0.$(($1 + 1)):10902" >>"$work/m$1.log" 2>&1 &
  daemon[$1]=$!
}
# Prints what an expression over the recipients of a job says.
ledger() {
  at 1 history --json | $node -e "
    const { jobs } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
    const { recipients } = jobs.find(({ job }) => job === '$1');
    console.log($2);"
}
until_ledger() { until [ "$(ledger "$1" "$2")" = "$3" ]; do sleep 2; done; }
states="recipients.map(({ stage }) => stage?.state ?? 'none').join(' ')"
# Of each machine: what it has under the name is as a folder is, and the ledger says so.
compare() {
  local job=$1 folder=$2 wanted=$3
  for n in $(seq 2 "$clients"); do
    diff -r --no-dereference "$folder" "$work/m$n/inbox/m1/build" >"$work/diff" 2>&1 || fault "m$n differs from $folder: $(head -2 "$work/diff")"
  done
  said=$(ledger "$job" "recipients.filter(({ stage }) => stage?.state !== '$wanted').map(({ name, stage }) => name + ' is ' + stage?.state).join(', ')")
  [ -z "$said" ] || fault "the ledger says that $said, and not $wanted"
  say "compared $((clients - 1)) machines with $folder: $wanted"
}

begun=$(date +%s.%N)
ip link add filerrbr type bridge
ip link set filerrbr up
for n in $(seq 0 "$clients"); do
  ip netns add "filerr$n"
  ip link add "filerw$n" type veth peer name eth0 netns "filerr$n"
  ip link set "filerw$n" master filerrbr up
  ip -n "filerr$n" addr add "10.78.0.$((n + 1))/24" dev eth0
  ip -n "filerr$n" link set eth0 up
  ip -n "filerr$n" link set lo up
done
IP_SERVER_HOME=$work/server ip netns exec filerr0 $server start --host 10.78.0.1 --http-port off --broadcast-interval 500ms >"$work/server.log" 2>&1 &
daemon[0]=$!
until link=$(IP_SERVER_HOME=$work/server ip netns exec filerr0 $server invite --uses 100 --group lab 2>/dev/null); do sleep 1; done

# Says which version is there; fails where there is a file `refuse`.
cat >"$work/hook.sh" <<'HOOK'
#!/bin/sh
echo "$FILER_STEP of version $(cat "$FILER_FOLDER/build/VERSION")"
test ! -e "$FILER_HOME/refuse"
HOOK
chmod +x "$work/hook.sh"
for n in $(seq 1 "$clients"); do
  # A machine that is busy with the others may need a second try.
  until echo "$link" | at "$n" join - --name "m$n" >"$work/join$n.log" 2>&1; do sleep 1; done
  echo "on-received = [\"$work/hook.sh\"]" >"$work/m$n/config.toml"
  start "$n"
done
for n in $(seq 1 "$clients"); do until at "$n" status --json 2>/dev/null | grep -q '"connected":true'; do sleep 1; done; done
$node "$root/bench/releases/tree.ts" make "$work/build" "$files" "$mib"
cp -a "$work/build" "$work/one"
say "$clients machines, $(find "$work/build" -type f | wc -l) files, $(du -sm "$work/build" | cut -f1) MiB"

off=$clients killed=$((clients / 2))
kill "${daemon[$off]}"
wait "${daemon[$off]}" || true
at 1 send "$work/build" --to @lab --stage --mirror --queue --json >"$work/send.json" 2>"$work/send.log" &
sending=$!
until [ "$(find "$work/m$killed/inbox" -type f 2>/dev/null | wc -l)" -gt $((files / 3)) ]; do sleep 0.2; done
kill -9 "${daemon[$killed]}"
say "m$killed is killed with $(find "$work/m$killed/inbox" -type f | wc -l) files"
sleep 2
start "$killed"
wait "$sending" || say "send ended with $?"
job=$(head -1 "$work/send.json" | $node -p 'JSON.parse(require("node:fs").readFileSync(0, "utf8")).job')
until_ledger "$job" "recipients.filter(({ name, stage }) => name !== 'm$off' && stage?.state !== 'staged').length" 0
say "staged at all but m$off, which is off: $(ledger "$job" "$states")"
for n in $(seq 2 "$clients"); do [ ! -e "$work/m$n/inbox/m1/build" ] || fault "m$n has the name before the release"; done
at 1 release "$job" --wave 1,50%,all --json >"$work/release.json" 2>&1 || fault "release: $(tail -1 "$work/release.json")"
say "released in waves 1, 50%, all: $(ledger "$job" "$states")"
start "$off"
until_ledger "$job" "recipients.filter(({ stage }) => stage?.state !== 'released' || stage.hook?.state !== 'done').length" 0
say "m$off is on, and has it"
compare "$job" "$work/one" released

$node "$root/bench/releases/tree.ts" change "$work/build" 2
bad=$((clients - 2))
touch "$work/m$bad/refuse"
at 1 send "$work/build" --to @lab --stage --mirror --json >"$work/send2.json" 2>"$work/send2.log" || fault "the second send: $(tail -1 "$work/send2.log")"
second=$(head -1 "$work/send2.json" | $node -p 'JSON.parse(require("node:fs").readFileSync(0, "utf8")).job')
say "staged the second version: $(tail -1 "$work/send2.json" | $node -p 'Math.round(JSON.parse(require("node:fs").readFileSync(0, "utf8")).bytesSent / 1048576)') MiB for $((clients - 1)) machines"
compare "$job" "$work/one" released
if at 1 release "$second" --wave 1,50%,all --json >"$work/release2.json" 2>&1; then fault "a program failed, and the release did not"; fi
say "the release stopped: $(ledger "$second" "$states")"
[ "$(ledger "$second" "recipients.find(({ name }) => name === 'm$bad').stage.hook?.exitCode")" = 1 ] || fault "the ledger has no exit code of m$bad"
released=" $(ledger "$second" "recipients.filter(({ stage }) => stage.state === 'released').map(({ name }) => name).join(' ')") "
for n in $(seq 2 "$clients"); do
  case "$released" in *" m$n "*) said=released ;; *) said=staged ;; esac
  [ "$said" = released ] && folder=$work/build || folder=$work/one
  diff -r --no-dereference "$folder" "$work/m$n/inbox/m1/build" >"$work/diff" 2>&1 || fault "m$n is $said, and differs: $(head -2 "$work/diff")"
done
rm "$work/m$bad/refuse"
at 1 rollback "$second" --json >"$work/rollback.json" 2>&1 || fault "rollback: $(tail -1 "$work/rollback.json")"
say "rolled back: $(ledger "$second" "$states")"
compare "$job" "$work/one" released
at 1 release "$second" --wave 1,50%,all --json >"$work/release3.json" 2>&1 || fault "the release of what was mended: $(tail -1 "$work/release3.json")"
compare "$second" "$work/build" released
for n in $(seq 1 "$clients"); do awk -v n="$n" '/VmHWM/ { printf "m%d %d MiB  ", n, $2 / 1024 }' "/proc/$(pgrep -P "${daemon[$n]}" node 2>/dev/null || echo "${daemon[$n]}")/status" 2>/dev/null || true; done
echo
at 1 history "$second" | sed -n "1,$((4 + 5 * clients))p"
[ "$wrong" = 0 ] && say "all agree"
exit "$wrong"

#!/bin/bash
# What a processor carries on loopback: one file to 1 and to 3 machines, passed on and with --direct-only.
#
#     bench/passing-on/loopback.sh [MIB [ROUNDS]]     # 512 3
#
# Needs a build. Prints the median of the rounds: seconds, and MiB that all recipients got together for each second of processor time
# of all processes.
set -e -o pipefail
mib=${1:-512} rounds=${2:-3}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/filer-loopback.XXXX")
node="$root/node_modules/.bin/node"
client="$node $root/apps/filer-client/bin/filer-client.js"
pids=()
clean() {
  kill "${pids[@]}" 2>/dev/null || true
  sleep 1
  kill -9 "${pids[@]}" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

export IP_SERVER_HOME=$work/server
$node "$root/apps/ip-server/bin/ip-server.js" start --host 127.0.0.1 --port 10941 --http-port off --broadcast-interval 500ms >"$work/server.log" 2>&1 &
pids+=($!)
until grep -q ready "$work/server.log"; do sleep 0.2; done
until link=$($node "$root/apps/ip-server/bin/ip-server.js" invite --uses 10 2>/dev/null); do sleep 0.5; done
for n in 1 2 3 4; do
  export FILER_HOME=$work/m$n
  echo "$link" | $client join - --name "m$n" >/dev/null 2>&1
  $client start --listen "127.0.0.1:1095$n" >"$work/m$n.log" 2>&1 &
  pids+=($!)
done
export FILER_HOME=$work/m1
until [ "$($client peers --json 2>/dev/null | grep -o '"online":true' | wc -l)" -ge 3 ]; do sleep 0.5; done

# Processor seconds of all daemons until now: children of node's launcher are counted by their group.
ticks() {
  local sum=0 pid
  for pid in "${pids[@]}" $(for each in "${pids[@]}"; do pgrep -P "$each"; done); do
    sum=$((sum + $(awk '{ print $14 + $15 }' "/proc/$pid/stat" 2>/dev/null || echo 0)))
  done
  echo "$sum"
}
send() {
  local to=$1 name=$2 before begun seconds
  shift 2
  head -c $((mib * 1048576)) /dev/urandom >"$work/$name"
  before=$(ticks) begun=$(date +%s.%N)
  $client send "$work/$name" --to "$to" --json "$@" >/dev/null 2>&1
  seconds=$(echo "$(date +%s.%N) - $begun" | bc)
  echo "$seconds $(echo "$mib * $(tr , '\n' <<<"$to" | wc -l) * $(getconf CLK_TCK) / ($(ticks) - $before)" | bc)"
  rm -f "$work/$name" "$work"/m*/inbox/m1/"$name"
}
for round in $(seq 0 "$rounds"); do
  send m2 "one$round" >>"$work/one"
  send m2,m3,m4 "three$round" >>"$work/three"
  send m2,m3,m4 "direct$round" --direct-only >>"$work/direct"
done
median() { sed 1d "$work/$1" | sort -n -k"$2" | awk -v k="$2" '{ all[NR] = $k } END { print all[int((NR + 1) / 2)] }'; }
echo "loopback, $mib MiB, median of $rounds rounds after one that warms up"
for what in one three direct; do printf '%-8s %6.2f s  %5d MiB per processor second\n' "$what" "$(median "$what" 1)" "$(median "$what" 2)"; done

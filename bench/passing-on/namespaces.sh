#!/bin/bash
# One file to N machines that pass it on, each in a network namespace with an uplink capped by `tc tbf`.
#
#     sudo bench/passing-on/namespaces.sh N MBIT MIB [flags of send, such as --direct-only]
#
# KILL=SECONDS kills, STOP=SECONDS stops the second recipient so long after the send began. Needs `ip`, `tc`, `bc` and a build. It
# prints the time, what the sender sent, who got what from whom, and the peak memory of each recipient in MiB.
set -e
count=$1 mbit=$2 mib=$3
shift 3
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d /tmp/filer-passing-on.XXXX)
node="$root/node_modules/.bin/node"
client="$node $root/apps/filer-client/bin/filer-client.js"
server="$node $root/apps/ip-server/bin/ip-server.js"
last=$((count + 1))
pids=()

clean() {
  kill "${pids[@]}" 2>/dev/null || true
  sleep 1
  kill -9 "${pids[@]}" 2>/dev/null || true
  for n in $(seq 0 $last); do ip netns del "filer$n" 2>/dev/null || true; done
  ip link del filerbr 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

ip link add filerbr type bridge
ip link set filerbr up
for n in $(seq 0 $last); do
  ip netns add "filer$n"
  ip link add "filerv$n" type veth peer name eth0 netns "filer$n"
  ip link set "filerv$n" master filerbr up
  ip -n "filer$n" addr add "10.77.0.$((n + 1))/24" dev eth0
  ip -n "filer$n" link set eth0 up
  ip -n "filer$n" link set lo up
  if [ "$n" -gt 0 ]; then
    ip netns exec "filer$n" tc qdisc add dev eth0 root tbf rate "${mbit}mbit" burst 64kb latency 100ms
  fi
done

export IP_SERVER_HOME=$work/server
ip netns exec filer0 $server start --host 10.77.0.1 --port 10901 --http-port off --broadcast-interval 500ms \
  >"$work/server.log" 2>&1 &
pids+=($!)
sleep 2
link=$(ip netns exec filer0 $server invite --uses 100 2>/dev/null)
declare -A daemon
for n in $(seq 1 $last); do
  export FILER_HOME=$work/m$n
  echo "$link" | ip netns exec "filer$n" $client join - --name "m$n" >"$work/join$n.log" 2>&1
  ip netns exec "filer$n" $client start --listen "10.77.0.$((n + 1)):10902" >"$work/m$n.log" 2>&1 &
  daemon[$n]=$!
  pids+=($!)
done
sleep 4
head -c $((mib * 1024 * 1024)) /dev/urandom >"$work/file"

export FILER_HOME=$work/m1
if [ -n "$KILL" ]; then (sleep "$KILL" && kill -9 "${daemon[3]}") & fi
if [ -n "$STOP" ]; then (sleep "$STOP" && kill -STOP "${daemon[3]}") & fi
begun=$(date +%s.%N)
ip netns exec filer1 $client send "$work/file" --to "$(seq -s, -f 'm%g' 2 $last)" --json "$@" \
  >"$work/out.json" 2>"$work/err" || true
echo "1→$count at $mbit Mbit/s, $mib MiB $*: $(echo "$(date +%s.%N) - $begun" | bc) s"
tail -1 "$work/out.json" | $node -e '
  const done = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const mib = (bytes) => Math.round(bytes / 1048576);
  console.log(`sent ${mib(done.bytesSent)} MiB`);
  for (const { name, state, via = [] } of done.recipients)
    console.log(`${name} ${state} ${via.map((each) => `${mib(each.bytes)} MiB of ${each.name}`).join(", ")}`);'
for n in $(seq 2 $last); do
  peak=$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/${daemon[$n]}/status" 2>/dev/null || echo gone)
  cmp -s "$work/file" "$work/m$n/inbox/m1/file" && whole=whole || whole='NOT WHOLE'
  echo "m$n $peak MiB, $whole"
done

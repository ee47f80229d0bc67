#!/bin/bash
# One file to N machines, each in a network namespace with an uplink capped by `tc tbf`.
#
#     sudo [WITH=TOOL] bench/passing-on/namespaces.sh N MBIT MIB [flags of send, such as --direct-only]
#
# WITH is `filer` (default), `aria2` (BitTorrent; the torrent is made before, all keep seeding) or `uftp` (multicast, at 95 % of the
# uplink). With filer KILL=SECONDS kills, STOP=SECONDS stops, SLOW=SECONDS makes the uplink of the second recipient ten times
# slower so long after the send began; NAT=1 drops all connections that others open to it. Needs `ip`, `tc`, `bc`, a build, and the
# program that is compared (Debian: aria2, uftp; NAT: iptables). It prints the time until all have the file (of one that fails: until all others have), and with filer what
# the sender sent, who got what from whom, and the peak memory of each recipient in MiB.
set -e
count=$1 mbit=$2 mib=$3
shift 3
with=${WITH:-filer}
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
  kill -CONT "${pids[@]}" 2>/dev/null || true
  kill -9 "${pids[@]}" 2>/dev/null || true
  for n in $(seq 0 $last); do
    ip link del "filerv$n" 2>/dev/null || true # a namespace goes later than it is said
    ip netns del "filer$n" 2>/dev/null || true
  done
  ip link del filerbr 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

ip link add filerbr type bridge mcast_snooping 0
ip link set filerbr up
for n in $(seq 0 $last); do
  ip netns add "filer$n"
  ip link add "filerv$n" type veth peer name eth0 netns "filer$n"
  ip link set "filerv$n" master filerbr up
  ip -n "filer$n" addr add "10.77.0.$((n + 1))/24" dev eth0
  ip -n "filer$n" link set eth0 up
  ip -n "filer$n" link set lo up
  ip -n "filer$n" route add 224.0.0.0/4 dev eth0
  if [ "$n" -gt 0 ]; then
    ip netns exec "filer$n" tc qdisc add dev eth0 root handle 1: tbf rate "${mbit}mbit" burst 64kb latency 100ms
  fi
done
head -c $((mib * 1024 * 1024)) /dev/urandom >"$work/file"
now() { date +%s.%N; }
told() { echo "$with 1→$count at $mbit Mbit/s, $mib MiB $*: $(echo "$(now) - $begun" | bc) s"; }

if [ "$with" = aria2 ]; then
  ip netns exec filer0 "$node" "$root/bench/passing-on/torrent.ts" "$work/file" "$work/torrent" http://10.77.0.1:6969/announce &
  pids+=($!)
  sleep 2
  printf '#!/bin/sh\ntouch "$3.done"\n' >"$work/hook"
  chmod +x "$work/hook"
  seed="aria2c -q --seed-ratio=0 --enable-dht=false --bt-enable-lpd=false --enable-peer-exchange=false --file-allocation=none"
  ip netns exec filer1 $seed --check-integrity=true --dir="$work" "$work/torrent" &
  pids+=($!)
  sleep 4
  begun=$(now)
  for n in $(seq 2 $last); do
    mkdir "$work/m$n"
    ip netns exec "filer$n" $seed --on-bt-download-complete="$work/hook" --dir="$work/m$n" "$work/torrent" &
    pids+=($!)
  done
  for n in $(seq 2 $last); do while [ ! -e "$work/m$n/file.done" ]; do sleep 0.1; done; done
  told
  for n in $(seq 2 $last); do cmp "$work/file" "$work/m$n/file"; done
  exit
fi

if [ "$with" = uftp ]; then
  for n in $(seq 2 $last); do
    mkdir "$work/m$n"
    ip netns exec "filer$n" uftpd -d -I eth0 -M 230.4.4.1 -D "$work/m$n" >"$work/uftpd$n.log" 2>&1 &
    pids+=($!)
  done
  sleep 2
  begun=$(now)
  ip netns exec filer1 uftp -q -I eth0 -M 230.4.4.1 -P 230.5.5.1 -R $((mbit * 950)) "$work/file" >"$work/uftp.log" 2>&1 || true
  told
  for n in $(seq 2 $last); do cmp "$work/file" "$work/m$n/file" || true; done
  exit
fi

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

export FILER_HOME=$work/m1
later() { (sleep "$1" && shift && "$@") & }
if [ -n "$KILL" ]; then later "$KILL" kill -9 "${daemon[3]}"; fi
if [ -n "$STOP" ]; then later "$STOP" kill -STOP "${daemon[3]}"; fi
if [ -n "$SLOW" ]; then
  later "$SLOW" ip netns exec filer3 tc qdisc change dev eth0 root handle 1: tbf rate "$((mbit * 100))kbit" burst 64kb latency 100ms
fi
if [ -n "$NAT" ]; then
  for n in $(seq 4 $last); do
    ip netns exec filer3 iptables -A INPUT -p tcp --syn --dport 10902 -s "10.77.0.$((n + 1))" -j DROP
  done
fi
begun=$(now)
# Each line with the time at which it came.
ip netns exec filer1 $client send "$work/file" --to "$(seq -s, -f 'm%g' 2 $last)" --json "$@" 2>"$work/err" > >(
  $node -e '
    require("node:readline").createInterface({ input: process.stdin })
      .on("line", (line) => require("node:fs").appendFileSync(process.argv[1], `${Date.now() / 1000} ${line}\n`));' "$work/out"
) &
sending=$!
# For one that is killed the sender waits a minute: the others have it long before.
while kill -0 "$sending" 2>/dev/null; do
  sleep 0.2
  have=$(grep -c '"type":"receipt"' "$work/out" 2>/dev/null || true)
  if [ -n "$KILL" ] && [ "${have:-0}" -ge $((count - 1)) ]; then
    kill -INT "$sending" 2>/dev/null || true
    break
  fi
done
wait "$sending" 2>/dev/null || true
sleep 0.5
$node -e '
  const [file, begun, what, machines] = process.argv.slice(1);
  const lines = require("node:fs").readFileSync(file, "utf8").split("\n").filter(Boolean);
  const told = lines.map((line) => [Number(line.split(" ")[0]), JSON.parse(line.slice(line.indexOf(" ") + 1))]);
  const at = new Map(told.filter(([, { type }]) => type === "receipt").map(([time, { recipient }]) => [recipient, time]));
  console.log(`${what}: ${(Math.max(...at.values()) - Number(begun)).toFixed(2)} s`);
  for (const name of machines.split(",")) if (!at.has(name)) console.log(`${name} has no receipt`);
  const done = told.map(([, each]) => each).findLast(({ recipients, bytesSent }) => recipients && bytesSent !== undefined) ?? { recipients: [] };
  const mib = (bytes) => Math.round(bytes / 1048576);
  if (done.bytesSent !== undefined) console.log(`sent ${mib(done.bytesSent)} MiB`);
  for (const { name, state, via = [] } of done.recipients)
    console.log(`${name} ${state} ${via.map((each) => `${mib(each.bytes)} MiB of ${each.name}`).join(", ")}`);
' "$work/out" "$begun" "filer 1→$count at $mbit Mbit/s, $mib MiB $*" "$(seq -s, -f 'm%g' 2 $last)" || cat "$work/err"
for n in $(seq 2 $last); do
  peak=$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/${daemon[$n]}/status" 2>/dev/null || echo gone)
  cmp -s "$work/file" "$work/m$n/inbox/m1/file" && whole=whole || whole='NOT WHOLE'
  echo "m$n $peak MiB, $whole"
done

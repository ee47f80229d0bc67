#!/bin/bash
# All figures of one file to many, in one table: filer passing on, with --direct-only, aria2 (BitTorrent) and uftp, a link killed at
# each tenth, and what a processor gives on loopback.
#
#     sudo bench/passing-on/table.sh [MBIT [MIB [MACHINES…]]]     # 40 256 1 2 4 8 16
#
# Choose a rate that the processors can carry for all machines together: of 16 machines with 40 Mbit/s, 640 Mbit/s are sent and received.
# ONLY="race direct aria2 uftp killed loopback" runs some of it. Each line is printed as it comes; ratios are to 1→1 of the same run.
set -e -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
mbit=${1:-40} mib=${2:-256}
shift $(($# < 2 ? $# : 2))
counts=${*:-1 2 4 8 16}
only=${ONLY:-race direct aria2 uftp killed loopback}
one=
runs() { [[ " $only " == *" $1 "* ]]; }
# Prints the seconds of a run, and the ratio to 1→1, and what is wrong.
row() {
  local what=$1 n=$2 out seconds peak wrong
  shift 2
  out=$("$@" 2>&1) || true
  seconds=$(sed -n 's/.*: \([0-9.]*\) s$/\1/p' <<<"$out" | head -1)
  peak=$(sed -n 's/^m[0-9]* \([0-9]*\) MiB, .*/\1/p' <<<"$out" | sort -n | tail -1)
  wrong=$(grep -cE 'NOT WHOLE|differ' <<<"$out" || true)
  [ -n "$one" ] || one=$seconds
  printf '| %-34s | %4s | %7.1f | %5.2f | %8s | %s |\n' "$what" "1→$n" "${seconds:-0}" \
    "$(echo "${seconds:-0} / ${one:-1}" | bc -l)" "${peak:--}" "$([ "$wrong" = 0 ] && echo all || echo "all but $wrong")"
}

echo "$mib MiB, each machine with an uplink of $mbit Mbit/s ($(echo "scale=1; $mib * 8.388608 / $mbit" | bc) s for one upload)"
echo
printf '| %-34s | %4s | %7s | %5s | %8s | %s |\n' what to s ratio 'peak MiB' whole
echo '| ---------------------------------- | ---- | ------- | ----- | -------- | ----- |'
if runs race; then for n in $counts; do row filer "$n" "$here/namespaces.sh" "$n" "$mbit" "$mib"; done; fi
if runs direct; then for n in $counts; do [ "$n" -gt 4 ] || row 'filer --direct-only' "$n" "$here/namespaces.sh" "$n" "$mbit" "$mib" --direct-only; done; fi
if runs aria2; then for n in $counts; do row 'aria2, BitTorrent' "$n" env WITH=aria2 "$here/namespaces.sh" "$n" "$mbit" "$mib"; done; fi
if runs uftp; then for n in $counts; do row 'uftp, multicast' "$n" env WITH=uftp "$here/namespaces.sh" "$n" "$mbit" "$mib"; done; fi
if runs killed; then
  for tenth in 1 2 3 4 5 6 7 8 9; do
    at=$(echo "$mib * 8.388608 / $mbit * $tenth / 10" | bc -l)
    row "filer, a link killed at $tenth tenths" 4 env KILL="$at" "$here/namespaces.sh" 4 "$mbit" "$mib"
  done
fi
if runs loopback; then "$here/loopback.sh"; fi

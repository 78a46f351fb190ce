#!/bin/sh
# Long form, run by hand as root: sh tests/long/new_user.sh [FOLDER]
# Walks the way of a new user on a bare Debian 12 (debootstrap into FOLDER, kept for the next time): the
# README's two commands as a fresh user without rights, the guide's own lines for the first scenario, a
# changed gate, a red run in CI and the page of all runs. Needs root, debootstrap and Debian's mirror.
# TESTS='-L unit' chooses the tests that ./test.sh runs, MIRROR another mirror.
set -eu
source=$(cd "$(dirname "$0")/../.." && pwd -P)
root=${1:-${TMPDIR:-/tmp}/woolly-new-user}
mirror=${MIRROR:-http://deb.debian.org/debian}
tests=${TESTS:--R lua_test_docs}
n_failed=0

lack() {
    echo "new_user.sh: $*" >&2
    exit 4
}
[ "$(id -u)" -eq 0 ] || lack "needs root, for chroot"
command -v debootstrap >/dev/null || lack "debootstrap is missing: apt-get install debootstrap"

# ---- a bare Debian with a fresh user and a copy of the tracked files ----

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
        lack "debootstrap failed, see $root.log"
fi
leave() {
    umount "$root/dev/shm" "$root/proc" "$root/dev" 2>/dev/null || :
}
leave
trap leave EXIT
trap 'exit 130' INT TERM
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
chroot "$root" id newcomer >/dev/null 2>&1 ||
    chroot "$root" useradd --create-home --shell /bin/bash newcomer
home=/home/newcomer/woolly-lua
rm -rf "${root:?}$home" "$root/home/newcomer/.cache"
mkdir -p "$root$home"
git -C "$source" ls-files -z | (cd "$source" && tar --null -T - -cf - --ignore-failed-read) |
    tar -xf - -C "$root$home"
chroot "$root" chown -R newcomer: "$home"

# ---- steps ----

as_root() {
    chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "$1"
}

# As somebody sees it who logged in and went to the folder.
as_user() {
    chroot --userspec=newcomer:newcomer "$root" env -i HOME=/home/newcomer TERM=dumb \
        PATH="$home/build:/usr/bin:/bin" sh -c "cd $home && $1"
}

# step WHAT STATUSES TEXT COMMAND...: the status must be among these and the text in the output.
step() {
    what=$1 statuses=$2 text=$3
    shift 3
    status=0
    output=$("$@" 2>&1) || status=$?
    case " $statuses " in
    *" $status "*) ok=yes ;;
    *) ok=no ;;
    esac
    [ -z "$text" ] || printf '%s' "$output" | grep -qF -- "$text" || ok=no
    if [ $ok = yes ]; then
        echo "ok      $what"
        return
    fi
    n_failed=$((n_failed + 1))
    echo "NOT OK  $what: status $status, expected one of $statuses and '$text'"
    printf '%s\n' "$output" | tail -n 25 | sed 's/^/        /'
}

# The lines of the guide's block that stands after a heading: section TITLE LANGUAGE.
section() {
    awk -v title="## $1" -v fence="\`\`\`$2" '
        $0 == title { inside = 1; next }
        /^## / { inside = 0 }
        inside && $0 == fence { block = 1; next }
        block && /^```/ { exit }
        block { print }' "$source/docs/guide.md"
}

if ! as_root "command -v cmake" >/dev/null; then
    step "without packages and rights: status 4 and the command to run" 4 "sudo apt-get install" \
        as_user ./run.sh
    asked=$(printf '%s\n' "$output" | sed -n 's/^  sudo \(apt-get install.*\)/\1/p')
    step "that command, run by an administrator" 0 "" \
        as_root "apt-get update && DEBIAN_FRONTEND=noninteractive ${asked:-false}"
fi
# Where time is judged, a slow or busy machine may be undecided or too slow: not what is tried here.
step "./run.sh: builds, measures, judges" "0 1 2" "PHASE 1 GATE" as_user ./run.sh
step "./run.sh smoke.lua" 0 "kept in woolly.db" as_user "./run.sh smoke.lua"
step "./test.sh $tests" 0 "100% tests passed" as_user "./test.sh $tests"
step "woolly-lua --list" 0 "phase1" as_user "woolly-lua --list"

lines=$(section "From nothing to a red run" sh)
[ -n "$lines" ] || lack "docs/guide.md: no block under 'From nothing to a red run'"
step "first scenario and its gate, as the guide says" 0 "MY SPEED GATE: PASSED" \
    as_user "set -e; $lines"
step "a number is changed" 0 "" \
    as_user "sed -i 's/min = 10 /min = 1000000000 /' my_speed_gate.lua && grep -q 1000000000 my_speed_gate.lua"
step "judged again: red, with the reason" 1 "MY SPEED GATE: FAILED (1 of 3 limits)" \
    as_user "woolly-lua judge.lua --run last --gate my_speed_gate.lua"

# ---- CI ----

run_lines=$(section "In CI" yaml | sed -n 's/^ *- run: //p')
[ -n "$run_lines" ] || lack "docs/guide.md: no run: lines under 'In CI'"
echo "$run_lines" | while IFS= read -r line; do echo "        CI: $line"; done
measured=$(echo "$run_lines" | sed -n 1p)
page=$(echo "$run_lines" | sed -n 2p)
step "the guide's job: measure" "0 1 2" "PHASE 1 GATE" as_user "GITHUB_STEP_SUMMARY=summary.md $measured"
own=$(echo "$measured" | sed 's/phase1\.lua/my_speed.lua --gate my_speed_gate.lua/')
step "the same with the changed gate: red, an annotation tells why" 1 "::error" \
    as_user "GITHUB_STEP_SUMMARY=summary.md $own"
step "JUnit holds the failure" 0 "<failure" as_user "cat woolly.xml"
step "the job's summary names the limit" 0 "FAILED" as_user "cat summary.md"
step "the guide's job: the page" 0 "" as_user "$page"
step "the page holds the runs" 0 "my_speed" as_user "grep -o 'my_speed' dashboard.html | head -n 1"
step "installed, it needs neither source nor build" 0 "phase1" \
    as_user "cmake --install build --prefix ~/.local >/dev/null && cd / && ~/.local/bin/woolly-lua --list"

[ $n_failed -eq 0 ] && echo "all steps hold" || echo "$n_failed steps do not hold"
[ $n_failed -eq 0 ]

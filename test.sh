#!/bin/sh
# Sets up, builds and runs every test as released, and under ASan and UBSan all that reach C. What runs
# in several threads is run under TSan as well. --long: under ASan and UBSan whatever there is.
# ./test.sh [--long] [ctest options], for example ./test.sh -R cli
set -eu
root=$(cd "$(dirname "$0")" && pwd -P)
. "$root/.ci/setup.sh"

skipped='-LE ^long$'
if [ "${1-}" = --long ]; then
    skipped=
    shift
fi

install_packages
install_page_packages all
build release build all
build asan build-asan all
for test in test_threads test_fused test_server; do build tsan build-tsan "$test"; done
jobs=$(nproc 2>/dev/null || echo 2)
say "testing build"
ctest --test-dir "$root/build" --output-on-failure -j "$jobs" "$@"
say "testing build-asan"
# shellcheck disable=SC2086
ctest --test-dir "$root/build-asan" --output-on-failure -j "$jobs" $skipped "$@"
say "testing build-tsan"
ctest --test-dir "$root/build-tsan" --output-on-failure -j "$jobs" -R 'unit_test_(threads|fused|server)$' "$@"

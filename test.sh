#!/bin/sh
# Sets up, builds and runs every test twice: as released, and under ASan and UBSan. What runs in several
# threads is run under TSan as well.
# ./test.sh [ctest options], for example ./test.sh -R cli
set -eu
root=$(cd "$(dirname "$0")" && pwd -P)
. "$root/.ci/setup.sh"

install_packages
install_page_packages all
build release build all
build asan build-asan all
for test in test_threads test_fused test_server; do build tsan build-tsan "$test"; done
jobs=$(nproc 2>/dev/null || echo 2)
for folder in build build-asan; do
    say "testing $folder"
    ctest --test-dir "$root/$folder" --output-on-failure -j "$jobs" "$@"
done
say "testing build-tsan"
ctest --test-dir "$root/build-tsan" --output-on-failure -j "$jobs" -R 'unit_test_(threads|fused|server)$' "$@"

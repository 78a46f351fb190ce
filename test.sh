#!/bin/sh
# Sets up, builds and runs every test twice: as released, and under ASan and UBSan.
# ./test.sh [ctest options], for example ./test.sh -R cli
set -eu
root=$(cd "$(dirname "$0")" && pwd -P)
. "$root/.ci/setup.sh"

install_packages
build release build all
build asan build-asan all
jobs=$(nproc 2>/dev/null || echo 2)
for folder in build build-asan; do
    say "testing $folder"
    ctest --test-dir "$root/$folder" --output-on-failure -j "$jobs" "$@"
done

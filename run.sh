#!/bin/sh
# Sets up, builds and runs woolly-lua: ./run.sh [SCRIPT[.lua] [options]], by default phase1.lua.
set -eu
root=$(cd "$(dirname "$0")" && pwd -P)
. "$root/.ci/setup.sh"

install_packages
build release build woolly-lua
[ $# -gt 0 ] || set -- phase1.lua
exec "$root/build/woolly-lua" "$@"

#!/bin/sh
# Sets up, builds and runs woolly-lua: ./run.sh [SCRIPT[.lua] [options]], by default phase1.lua.
# --with-llama-cpp in front installs the reference engine in the cache folder first; the default is
# then comparative.lua.
set -eu
root=$(cd "$(dirname "$0")" && pwd -P)
. "$root/.ci/setup.sh"

default=phase1.lua
if [ "${1-}" = --with-llama-cpp ]; then
    shift
    default=comparative.lua
    . "$root/.ci/llama_cpp.sh"
    install_llama_cpp
fi
install_packages
install_page_packages
build release build woolly-lua
[ $# -gt 0 ] || set -- "$default"
exec "$root/build/woolly-lua" "$@"

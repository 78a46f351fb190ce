# setup.sh - what run.sh and test.sh share: packages and builds. Sourced, with root= set.
# shellcheck shell=sh disable=SC2154

# Debian's names. Optional for the build: without libpfm4 the processor's own names of events are
# missing, without Zydis the share of SIMD instructions.
packages='gcc libc6-dev cmake ninja-build pkg-config lua5.4 liblua5.4-dev libcjson-dev
libsqlite3-dev libutf8proc-dev libssl-dev libcurl4-openssl-dev libmicrohttpd-dev'
optional_packages='libpfm4-dev libzydis-dev'

say() {
    printf 'woolly: %s\n' "$*" >&2
}

# Prints the given packages that are not installed, one a line.
missing_packages() {
    installed=" $(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p' | tr '\n' ' ')"
    for package; do
        case $installed in
        *" $package "*) ;;
        *) echo "$package" ;;
        esac
    done
}

# Installs what is missing, or ends with status 4 and the one command to run.
install_packages() {
    command -v dpkg-query >/dev/null || return 0 # not Debian: CMake names what it does not find
    # shellcheck disable=SC2086
    missing=$(missing_packages $packages $optional_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    install="apt-get install -y --no-install-recommends ${missing% }"
    if [ "$(id -u)" -eq 0 ]; then
        as=''
    elif sudo -n true 2>/dev/null; then
        as='sudo -n'
    else
        # shellcheck disable=SC2086
        [ -n "$(missing_packages $packages)" ] || return 0 # only the optional ones
        say "packages are missing and this user may not install them. Run:"
        echo "  sudo $install" >&2
        exit 4
    fi
    say "installing ${missing% }"
    # shellcheck disable=SC2086
    if ! { $as env DEBIAN_FRONTEND=noninteractive $install ||
        { $as apt-get update && $as env DEBIAN_FRONTEND=noninteractive $install; }; } \
        >"${TMPDIR:-/tmp}/woolly-apt.$$" 2>&1; then
        cat "${TMPDIR:-/tmp}/woolly-apt.$$" >&2
        rm -f "${TMPDIR:-/tmp}/woolly-apt.$$"
        say "the installation failed. Run: sudo $install"
        exit 4
    fi
    rm -f "${TMPDIR:-/tmp}/woolly-apt.$$"
}

# The dashboard's charts (uPlot) and, with "all", what its tests drive: npm packages, pinned by version
# and content. Without npm, or without its registry, both are done without.
install_page_packages() {
    [ "${1-}" = all ] && wanted=playwright-core || wanted=uplot
    [ ! -e "$root/.ci/node_modules/$wanted" ] || return 0
    if ! command -v npm >/dev/null; then
        say "npm is missing: the dashboard's charts cannot be zoomed, its browser tests are skipped"
        return 0
    fi
    omit=--omit=dev
    [ "${1-}" != all ] || omit=--include=dev
    say "npm ci: the dashboard's charts"
    if ! npm ci --prefix "$root/.ci" "$omit" --ignore-scripts --no-audit --no-fund \
        >"$root/.ci/npm.log" 2>&1; then
        say "npm ci failed (see .ci/npm.log): the dashboard does without zoom, its browser tests are skipped"
    fi
}

# build PRESET FOLDER TARGET: configures once, then builds; silent when nothing is to do.
build() {
    if [ ! -f "$root/$2/build.ninja" ]; then
        say "configuring $2"
        if ! configured=$(cd "$root" && cmake --preset "$1" 2>&1); then
            printf '%s\n' "$configured" >&2
            say "$2 could not be configured (see above)"
            exit 4
        fi
    fi
    # Said when the first file is really built: the look for new files is no work worth a word.
    log=$root/$2/build.log
    { ninja -C "$root/$2" "$3" 2>&1; echo "status $?"; } | awk -v folder="$2" '
        !said && /^\[[0-9]+\/[0-9]+\] (Building|Linking|Compiling)/ {
            print "woolly: building " folder > "/dev/stderr"
            said = 1
        }
        { print }' >"$log"
    if ! grep -q '^status 0$' "$log"; then
        cat "$log" >&2
        say "$2 does not build (see above)"
        exit 4
    fi
}

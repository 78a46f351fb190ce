# llama_cpp.sh - installs the reference engine llama.cpp in the user's cache folder: the prebuilt CPU
# libraries of one npm package, nothing else. Sourced after setup.sh.
# shellcheck shell=sh

# The program (lua/woolly/targets/llama_cpp.lua) looks for exactly this version.
llama_cpp_version=3.22.1

# npm's name and integrity of the package for this machine, or nothing.
llama_cpp_package() {
    case $(uname -s)-$(uname -m) in
    Linux-x86_64)
        echo linux-x64 'sha512-5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg==' ;;
    Linux-aarch64)
        echo linux-arm64 'sha512-W+7naKCXX9/eEjjFmRS8vvx91QyLXDbeFxexZc3bh/PtQABZgmRL3C0AtYYXn4YGTj/3Qor4lWZn2tpjZFPLdQ==' ;;
    esac
}

# A project whose lock file pins that one package: npm refuses any other content.
write_llama_cpp_project() { # FOLDER NAME INTEGRITY
    package=@node-llama-cpp/$2
    depends="\"dependencies\": { \"$package\": \"$llama_cpp_version\" }"
    printf '{ "private": true, %s }\n' "$depends" >"$1/package.json"
    printf '{ "lockfileVersion": 3, "packages": { "": { %s },
  "node_modules/%s": { "version": "%s", "integrity": "%s" } } }\n' \
        "$depends" "$package" "$llama_cpp_version" "$3" >"$1/package-lock.json"
}

# Silent when it is there; ends with status 4 and the next step when it cannot be had.
install_llama_cpp() {
    cache=${XDG_CACHE_HOME:-${HOME:?neither HOME nor XDG_CACHE_HOME is set}/.cache}/woolly-lua
    home=$cache/llama_cpp/$llama_cpp_version
    # shellcheck disable=SC2046
    set -- $(llama_cpp_package)
    if [ $# -eq 0 ]; then
        say "llama.cpp: there is no prebuilt package for $(uname -s) on $(uname -m). Run without" \
            "--with-llama-cpp: comparisons are then reported as missing"
        exit 4
    fi
    libraries=$home/node_modules/@node-llama-cpp/$1/bins/$1
    if [ ! -f "$libraries/llama-addon.node" ] || ! command -v node >/dev/null; then
        if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
            # shellcheck disable=SC2034
            (packages='nodejs npm' optional_packages='' && install_packages) || exit 4
        fi
        for program in node npm; do
            command -v $program >/dev/null && continue
            say "llama.cpp: $program is not there. Install Node.js 18 or newer with npm, then run again"
            exit 4
        done
    fi
    [ ! -f "$libraries/llama-addon.node" ] || return 0

    say "installing llama.cpp: npm package @node-llama-cpp/$1 $llama_cpp_version (30 MB) in $home"
    new=$cache/llama_cpp/new.$$
    trap 'rm -rf "$new"' EXIT
    trap 'exit 130' INT TERM
    mkdir -p "$new" && write_llama_cpp_project "$new" "$1" "$2" || exit 4
    if ! (cd "$new" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
        --fetch-retries=1) >"$new/npm.log" 2>&1; then
        grep -v 'complete log\|npm warn' "$new/npm.log" | head -n 6 >&2
        if grep -q EINTEGRITY "$new/npm.log"; then
            say "llama.cpp: the package is not the one that is expected (integrity). Nothing was" \
                "installed; check the registry that npm uses: npm config get registry"
        else
            say "llama.cpp: npm could not install it. With a network run again; without one copy" \
                "$home from a machine that has it"
        fi
        exit 4
    fi
    if ! (cd "$new/node_modules/@node-llama-cpp/$1/bins/$1" &&
        node -e 'require("./llama-addon.node").systemInfo()') >"$new/npm.log" 2>&1; then
        grep -m 1 Error "$new/npm.log" >&2
        say "llama.cpp: node $(node --version) cannot load it. Install Node.js 18 or newer"
        exit 4
    fi
    rm -rf "$new/npm.log" "$home"
    mv "$new" "$home"
    trap - EXIT INT TERM
    say "llama.cpp is installed"
}

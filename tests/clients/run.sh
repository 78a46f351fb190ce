#!/bin/sh
# Clients that know nothing of us, unchanged, against our server: the openai package of npm, curl -N, a
# page in headless Chromium. tests/clients/run.sh [PROGRAM]; 77 when none of them is installed.
# OPENAI_PACKAGE names a folder with node_modules/openai; else it is installed in the cache folder.
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
root=$(cd "$here/../.." && pwd -P)
program=${1:-$root/build/woolly-lua}
work=$(mktemp -d "${TMPDIR:-/tmp}/woolly-clients.XXXXXX")
failed=0
tried=0
page_server=

finish() {
    [ -n "$page_server" ] && kill "$page_server" 2>/dev/null
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    rm -rf "$work"
}

"$program" "$root/scenarios/serve.lua" --port 0 --quiet --json "$work/server.json" >/dev/null &
server=$!
trap finish EXIT
n=0
until [ -s "$work/server.json" ]; do
    n=$((n + 1))
    [ $n -lt 300 ] || { echo "the server did not start" >&2; exit 4; }
    sleep 0.1
done
url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' "$work/server.json")

result() { # NAME STATUS
    tried=$((tried + 1))
    if [ "$2" -eq 0 ]; then echo "== $1: passed"; else echo "== $1: FAILED"; failed=1; fi
}

# ---- curl -N ----
if command -v curl >/dev/null; then
    curl -sN "$url/api/v1/inference/stream" -H 'Content-Type: application/json' \
        -H 'x-ole-client: curl' -d '{"prompt":"Once upon a time","max_tokens":8,"temperature":0}' \
        >"$work/curl"
    status=$?
    [ "$status" -eq 0 ] && [ "$(tail -n 2 "$work/curl" | head -n 1)" = 'data: [DONE]' ] &&
        [ "$(grep -c '^data: {' "$work/curl")" -ge 3 ]
    result "curl -N" $?
else
    echo "== curl -N: skipped, curl is not installed"
fi

# ---- the openai package ----
if command -v node >/dev/null; then
    package=${OPENAI_PACKAGE:-${XDG_CACHE_HOME:-$HOME/.cache}/woolly-lua/clients}
    if [ ! -d "$package/node_modules/openai" ] && command -v npm >/dev/null; then
        mkdir -p "$package" && (cd "$package" &&
            npm install --ignore-scripts --no-audit --no-fund openai >/dev/null 2>&1)
    fi
    if [ -d "$package/node_modules/openai" ]; then
        node "$here/openai.mjs" "$url" "$package"
        result "openai package" $?
    else
        echo "== openai package: skipped, npm cannot install it"
    fi
else
    echo "== openai package: skipped, node is not installed"
fi

# ---- a page in a browser ----
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [ -n "$browser" ] && command -v node >/dev/null; then
    node -e '
        const fs = require("fs"), http = require("http");
        const [page, result] = process.argv.slice(1);
        http.createServer((request, answer) => {
          if (request.method !== "POST") {
            answer.setHeader("Content-Type", "text/html");
            return answer.end(fs.readFileSync(page));
          }
          const parts = [];
          request.on("data", part => parts.push(part));
          request.on("end", () => { fs.writeFileSync(result, Buffer.concat(parts)); answer.end(); });
        }).listen(0, "127.0.0.1", function () { console.log(this.address().port); });
    ' "$here/page.html" "$work/page" >"$work/port" &
    page_server=$!
    until [ -s "$work/port" ]; do sleep 0.1; done
    "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync \
        --user-data-dir="$work/profile" \
        "http://localhost:$(cat "$work/port")/page.html?server=$url" >/dev/null 2>&1 &
    page=$!
    n=0
    until [ -s "$work/page" ] || [ $n -ge 600 ]; do n=$((n + 1)); sleep 0.1; done
    kill "$page" 2>/dev/null
    wait "$page" 2>/dev/null
    [ -s "$work/page" ] && cat "$work/page" && ! grep -q '^FAIL' "$work/page"
    result "page in Chromium" $?
else
    echo "== page in Chromium: skipped, no browser or no node"
fi

[ "$tried" -gt 0 ] || exit 77
exit $failed

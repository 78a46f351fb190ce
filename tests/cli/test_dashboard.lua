--- dashboard.lua: one file, its own policy, no markup from data, the same in a real browser.
local cli = require "cli"
local tap = require "tap"

local shm = cli.exists("/dev/shm/.") and "/dev/shm" or cli.folder()

--- A store of planted runs; commits are quick in memory.
local function planted(name, ...)
  local path = string.format("%s/woolly-%s-%s.db", shm, name, cli.folder():match("[^.]+$"))
  os.remove(path)
  local script = cli.source .. "/tests/support/planted_store.lua"
  local words = { cli.quote(cli.program), cli.quote(script), cli.quote(path) }
  for _, word in ipairs { ... } do words[#words + 1] = word end
  local made = cli.shell(table.concat(words, " "))
  tap.equal(made.status, 0, made.out .. made.err)
  return path
end

local function page(store, file, options)
  local result = cli.shell(string.format("%s dashboard.lua --store %s --output %s %s",
    cli.quote(cli.program), cli.quote(store), cli.quote(file), options or ""))
  return result, result.status == 0 and cli.read(cli.path(file)) or ""
end

-- WOOLLY_PICTURES=docs/pictures takes the pictures of the documentation: with more runs in them.
local pictures = os.getenv("WOOLLY_PICTURES") or ""
local ordinary = planted("plain", pictures == "" and 60 or 400, 8, 30)
local hostile = planted("hostile", 0, 4, 2, "hostile")

tap.test("the page is one file with a policy of hashes and nothing from elsewhere", function()
  local result, html = page(ordinary, "plain.html")
  tap.equal(result.status, 0, result.err)
  tap.contains(result.out, " runs in plain.html")
  tap.truthy(html:match("default%-src &#39;none&#39;; script%-src &#39;sha256%-[%w+/]+=*&#39;; "
                        .. "style%-src &#39;sha256%-"), "policy")
  for _, part in ipairs { "<link rel=\"style", "<script src", "@import", "<img" } do
    tap.truthy(not html:find(part, 1, true), part)
  end
end)

tap.test("--window leaves out what is older, --json tells what was made", function()
  local result = page(ordinary, "window.html", "--window 3days --json -")
  tap.equal(result.status, 0, result.err)
  tap.contains(result.out, '"runs": 13')
end)

tap.test("a store that is not there and a window that is none have their status", function()
  tap.equal((page("nowhere.db", "x.html")).status, 3)
  local result = page(ordinary, "x.html", "--window soon")
  tap.equal(result.status, 3)
  tap.contains(result.err, "--window: found 'soon'")
end)

tap.test("hostile texts are inert in the file: one data block, no element of theirs", function()
  local result, html = page(hostile, "hostile.html")
  tap.equal(result.status, 0, result.err)
  local block = html:match('<script type="application/json" id="data">(.-)</script>')
  tap.truthy(block and #block > 100000, "the data")
  tap.truthy(not block:find("<", 1, true), "a < in the data")
  local _, scripts = html:gsub("<script", "")
  tap.equal(scripts, 2, "scripts: the data and ours")
end)

tap.test("--live serves the page and follows the store", function()
  if cli.shell("command -v curl").status ~= 0 then return end
  local script = string.format([[
    %s dashboard.lua --live --port 0 --store %s >live.out 2>&1 &
    server=$!
    for i in 1 2 3 4 5 6 7 8 9 10; do
      url=$(sed -n 's/.*at \(http[^;]*\);.*/\1/p' live.out)
      [ -n "$url" ] && break
      sleep 0.5
    done
    curl -s "$url" | head -c 100000 >live.html
    curl -s "$url/live"
    curl -s -o /dev/null -w ' %%{http_code}' "$url/other"
    kill -INT $server
    wait $server
    echo " ended $?"]], cli.quote(cli.program), cli.quote(ordinary))
  local found = cli.shell(script)
  tap.truthy(found.out:match('^{"stamp": ?"%w+", ?"text": ?""} 404 ended %d+'), found.out .. found.err
             .. cli.read(cli.path("live.out")))
  tap.contains(cli.read(cli.path("live.html")), "connect-src &#39;self&#39;")
end)

local function first_there(...)
  for _, path in ipairs { ... } do
    if path and cli.exists(path) then return path end
  end
end

local modules = cli.source .. "/.ci/node_modules"
local chromium = first_there(os.getenv("WOOLLY_CHROMIUM") or false, "/usr/bin/chromium",
                             "/usr/bin/chromium-browser")
local sentence = "the page in headless Chromium"
if cli.sanitized then
  tap.skip(sentence, "the browser sees the same page from the release build")
elseif cli.shell("command -v node").status ~= 0 then
  tap.skip(sentence, "no node: apt-get install nodejs npm")
elseif not chromium then
  tap.skip(sentence, "no browser: apt-get install chromium")
elseif not cli.exists(modules .. "/playwright-core/package.json") then
  tap.skip(sentence, "no playwright-core: npm ci --prefix .ci")
else
  local driver = cli.source .. "/tests/browser/dashboard.mjs"
  local run = cli.shell(string.format("WOOLLY_NODE_MODULES=%s WOOLLY_CHROMIUM=%s node %s %s %s %s",
    cli.quote(modules), cli.quote(chromium), cli.quote(driver),
    cli.quote(cli.path("plain.html")), cli.quote(cli.path("hostile.html")),
    pictures))
  tap.test("the browser's tests ran", function()
    tap.truthy(run.out:find("\n1%.%.%d+"), run.out .. run.err)
  end)
  local found -- a line, and what is said about it in the lines below
  local function judge()
    if not found then return end
    local ok, name = found.line:match("^(%l*%s?ok) %d+ %- (.*)")
    tap.test(name, function() tap.truthy(ok == "ok", table.concat(found, "\n")) end)
  end
  for line in run.out:gmatch("[^\n]+") do
    if line:match("^ok %d") or line:match("^not ok %d") then
      judge()
      found = { line = line }
    elseif found and line:sub(1, 1) == "#" then
      found[#found + 1] = line
    end
  end
  judge()
end

os.remove(ordinary)
os.remove(hostile)
cli.clean_up()
tap.done()

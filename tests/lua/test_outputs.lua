--- Reports for other programs: what they say, and that no text of a run is ever more than a text.
local csv = require "woolly.report.csv"
local github = require "woolly.report.github"
local html = require "woolly.report.html"
local junit = require "woolly.report.junit"
local markdown = require "woolly.report.markdown"
local openmetrics = require "woolly.report.openmetrics"
local payloads = require "payloads"
local tap = require "tap"
local text = require "woolly.report.text"

local ASSETS <const> = { style = "p { color: red }", style_sha256 = string.rep("ab", 32) }

--- A report with the text everywhere; every kind of verdict.
local function document(t)
  t = t or "plain"
  return {
    run = { id = "01M", scenario = t, title = t, started = "2026-01-02T03:04:05.678Z", target = t,
            preset = t, commit = t, tags = { [t] = t }, status = "complete", disturbed = t },
    machine = { fingerprint = t, cpu = t, [t] = t }, model = { name = t, arch = t, type = t },
    metrics = {
      { name = "tokens_per_second", unit = "tokens/s", better = "higher", n = 3, median = 12.5,
        low = 11, high = 14, confidence = 0.75, samples = { 11, 12.5, 14 }, roof = 20,
        roof_share = 0.6, roof_by = t },
      { name = t, unit = t, better = "lower", n = 0, samples = {}, reason = t },
    },
    gate = { name = t, title = t, verdict = "fail", targets = {}, limits = {
      { metric = "tokens_per_second", bound = "min", limit = 10, stat = "median", verdict = "pass",
        value = 12.5, low = 11, high = 14 },
      { metric = t, bound = "max", limit = 5, stat = t, verdict = "missing", reason = t },
      { metric = "ttft_ms", bound = "max", limit = 5, stat = "p95", verdict = "fail", value = 9.5,
        low = 8.5, high = 10.5, reason = t },
    } },
    checks = { { what = t, found = t, wanted = t, ok = false } }, notes = { t },
    repetitions = {}, status = 1,
  }
end
local function compared(t)
  return { name = t, lines = { { metric = t, verdict = "worse", ratio = 0.8, low = 0.7, high = 0.9,
                                 reason = t } } }
end

tap.test("JUnit: a case a check and a limit; only pass is green", function()
  local out = junit.render(document())
  tap.contains(out, 'tests="4" failures="2" errors="1"')
  tap.contains(out, '<testcase classname="plain.plain" name="tokens_per_second &gt;= 10"/>')
  tap.contains(out, "found 9.500 [8.500, 10.50], wanted &lt;= 5 (p95)")
end)

tap.test("OpenMetrics: families, labels, the end", function()
  local out = openmetrics.render(document(), 1767323045)
  tap.contains(out, 'woolly_median{scenario="plain",target="plain",preset="plain",model="plain",'
               .. 'machine="plain",metric="tokens_per_second",unit="tokens/s"} 12.5')
  tap.contains(out, "# TYPE woolly_limit stateset")
  tap.equal(out:sub(-6), "# EOF\n", "end")
end)

tap.test("Markdown: verdict in the heading, what got worse first, a mark for bots", function()
  local out = markdown.render(document(), compared "main")
  tap.contains(out, "<!-- woolly-lua plain -->")
  tap.contains(out, "### ❌ plain: **FAILED**")
  tap.contains(out, "| 🔴 worse | main | 0.800 | [0.700, 0.900] |")
end)

tap.test("GitHub: errors for what fails, warnings for what cannot be judged", function()
  local lines = github.annotations(document(), compared "main")
  tap.equal(#lines, 4, "lines")
  tap.contains(lines[2], "::error title=plain plain%2C plain%2C machine plain::ttft_ms: found")
  tap.contains(lines[2], "found 9.500")
  tap.contains(lines[4], "::warning ")
end)

tap.test("CSV: a row a metric, the verdict beside it", function()
  local out = csv.render(document())
  local _, rows = out:gsub("\r\n", "")
  tap.equal(rows, 3, "rows")
  tap.contains(out, ",tokens_per_second,tokens/s,higher,3,12.5,11,14,0.75,20,pass,>= 10,")
end)

-- ---- hostile texts ----

local all = payloads.all()

tap.test("there are at least 300 hostile texts", function()
  tap.truthy(#all >= 300, #all .. " texts")
end)

--- Every element of the text has a name of the list, and every attribute is ours.
local function only_elements(out, names, attributes)
  local rest = out:gsub("<!DOCTYPE html>", ""):gsub("<%?xml [^>]*%?>", "")
  for slash, name, inside in rest:gmatch("<(/?)(%a*)([^<>]*)>") do
    tap.truthy(names[name], "element " .. slash .. name)
    for attribute in inside:gsub('"[^"]*"', '""'):gmatch("([%w-]+)=") do
      tap.truthy(attributes[attribute], "attribute " .. attribute)
    end
  end
  rest = rest:gsub("</?%a+[^<>]*>", "")
  tap.truthy(not rest:find("[<>]"), "an angle bracket: " .. (rest:match(".?.?.?.?.?[<>].*") or ""))
end
local function set(list)
  local out = {}
  for word in list:gmatch("%S+") do out[word] = true end
  return out
end

local function for_each(sentence, body)
  tap.test(sentence, function()
    for _, payload in ipairs(all) do
      local ok, message = pcall(body, document(payload), payload)
      tap.truthy(ok, string.format("%q: %s", payload, message))
    end
  end)
end

for_each("JUnit stays well-formed", function(d)
  local out = junit.render(d)
  only_elements(out, set "testsuites testsuite properties property testcase failure error",
    set "name tests failures errors skipped time timestamp value classname type message")
  tap.truthy(not out:find("[%z\1-\8\11\12\14-\31]"), "control characters")
  tap.truthy(utf8.len(out), "UTF-8")
  local _, cases = out:gsub("<testcase ", "")
  tap.equal(cases, 4, "cases")
end)

for_each("HTML has our elements alone", function(d)
  local out = html.render(d, ASSETS)
  only_elements(out, set("html head meta title link style body main h h1 p span div table caption "
    .. "thead tbody tr th td svg polyline pre h2"),
    set("lang charset http-equiv content name rel href class scope viewBox role aria-label fill "
    .. "points"))
  tap.truthy(utf8.len(out), "UTF-8")
end)

for_each("Markdown has no markup but ours", function(d, payload)
  local out = markdown.render(d, compared(payload))
  local rest = out:gsub("^<!%-%- woolly%-lua [%w_]* %-%->", ""):gsub("&#%d+;", "")
  tap.truthy(not rest:find("[<>`@]") or rest:find("run `01M`", 1, true)
             and not rest:gsub("run `01M`", ""):find("[<>`@]"), "special characters")
  tap.truthy(not rest:find("](", 1, true), "a link")
  for line in rest:gmatch("\n(|[^\n]*)") do
    local _, pipes = line:gsub("|", "")
    tap.equal(pipes, 6, line)
  end
end)

for_each("a CSV has as many cells in each row and no formula", function(d)
  for line in csv.render(d):gmatch("(.-)\r\n") do
    local cells, quoted = { "" }, false
    for c in line:gmatch(".") do
      if c == '"' then quoted = not quoted end
      if c == "," and not quoted then
        cells[#cells + 1] = ""
      elseif c ~= '"' then
        cells[#cells] = cells[#cells] .. c
      end
    end
    tap.equal(#cells, #csv.COLUMNS, "cells")
    for _, cell in ipairs(cells) do
      tap.truthy(not cell:find("^[=+@\t\r]") and (not cell:find("^%-") or tonumber(cell)), cell)
    end
  end
end)

for_each("an annotation is one line", function(d, payload)
  local lines = github.annotations(d, compared(payload))
  tap.equal(#lines, 4, "lines")
  for _, line in ipairs(lines) do
    tap.truthy(line:find("^::%l+ title=[^:,]*::") and not line:find("[\r\n]"), line)
  end
end)

for_each("a line of OpenMetrics is a figure with its labels", function(d)
  for line in openmetrics.render(d, 1):gmatch("[^\n]+") do
    local labels = line:match("^woolly_[%l_]+(%b{}) %-?[%d.e+-]+$")
      or line:match("^woolly_[%l_]+({.*}) %-?[%d.e+-]+$")
    tap.truthy(line:sub(1, 1) == "#" or labels, line)
    if labels then
      local left = labels:gsub('\\[\\"n]', ""):gsub('[%l_]+="[^"]*",?', "")
      tap.equal(left, "{}", line)
    end
  end
end)

for_each("the terminal gets no control character", function(d)
  local out = text.render(d, {})
  tap.truthy(not out:find("[%z\1-\9\11-\31\127]") and not out:find("\194[\128-\159]"), "controls")
end)

tap.done()

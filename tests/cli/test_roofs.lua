--- Roofs at the command line: measuring them, shares in reports, the table of speeds. No figure is
--- asserted, only that it is there and fits the others.
local cli = require "cli"
local json = require "json"
local schema = require "schema"
local tap = require "tap"

local HOME <const> = { env = "XDG_CACHE_HOME=" .. cli.folder() }

local function run(status, words) return cli.expect(status, words, HOME) end

local function kept_file()
  local pipe = assert(io.popen("ls " .. cli.folder() .. "/woolly-lua/roofline-*.json 2>/dev/null"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

local function calibrate(...)
  local words = { "calibrate.lua", "--seconds", "0.2", "--threads", "1,2", "--json", "-" }
  table.move({ ... }, 1, select("#", ...), #words + 1, words)
  return json.decode(run(0, words).out)
end

tap.test("calibrate measures every figure and keeps it, unless the build is unfit", function()
  local found = calibrate()
  for _, n in ipairs { "1", "2" } do
    for _, name in ipairs { "dram", "f32", "int8", "int4" } do
      tap.truthy(found.threads[n][name] > 0, n .. " " .. name)
    end
  end
  tap.equal(kept_file() ~= nil, not cli.sanitized, "kept")
  tap.truthy(cli.sanitized or found.kept_in == kept_file(), "kept_in")
end)

tap.test("calibrate prints a table", function()
  local out = run(0, { "calibrate.lua", "--seconds", "0.2", "--threads", "1" }).out
  for _, part in ipairs { "threads", "read, DRAM", "int8", "int4 x int8", "GMAC/s", "kept" } do
    tap.contains(out, part)
  end
  cli.one_line(run(3, { "calibrate.lua", "--threads", "0" }).err, "--threads", "1..")
end)

if not cli.sanitized then
  tap.test("the best of several measurements is kept, --fresh forgets the earlier ones", function()
    local path = kept_file()
    local text = cli.read(path):gsub('"f32": [^,\n]+', '"f32": 1e6')
    text = text:gsub('"dram": [^,\n]+', '"dram": 1e-3')
    cli.write(path, (text:gsub('"2":', '"64":')))
    local found = calibrate()
    tap.near(found.threads["1"].f32, 1e6, 0)
    tap.truthy(found.threads["1"].dram > 1e-3, "dram")
    found = calibrate("--fresh")
    tap.truthy(found.threads["1"].f32 < 1e6, "forgotten")
    tap.equal(json.decode(cli.read(path)).threads["64"], nil)
  end)

  tap.test("figures of another method or a damaged file are measured again", function()
    for _, text in ipairs { "{", '{"schema":"woolly-roofline/1","threads":{}}', "[1]" } do
      cli.write(kept_file(), text)
      tap.truthy(calibrate().threads["2"].dram > 0, text)
    end
  end)
end

local function inference(...)
  local words = { "inference_speed.lua", "--model", cli.model, "--runs", "2", "--warmup", "0",
                  "--quiet", "--store", "none", "--json", "-", "--n_prompt", "8", "--n_tokens", "8",
                  "--threads", "1" }
  table.move({ ... }, 1, select("#", ...), #words + 1, words)
  local document = json.decode(cli.run(words, HOME).out)
  local rule = json.decode(cli.read(cli.source .. "/docs/report-schema.json"))
  tap.equal(table.concat(schema.check(document, rule), "\n"), "", "against the schema")
  local by_name = {}
  for _, metric in ipairs(document.metrics) do by_name[metric.name] = metric end
  return by_name
end

tap.test("a report shows the share of the roof, or says why there is none", function()
  local metrics = inference()
  for _, name in ipairs { "tokens_per_second", "prefill_tokens_per_second" } do
    local metric = metrics[name]
    if cli.sanitized then
      tap.equal(metric.roof, nil, name)
      tap.contains(metric.roof_by, "sanitizers")
    else
      tap.near(metric.roof_share, metric.median / metric.roof, 1e-9, name)
      tap.contains(metric.roof_by, "1 thread")
    end
  end
  tap.contains(inference("--roofs", "off").tokens_per_second.roof_by, "off")
end)

local function bench(...)
  local words = { "bench.lua", "--models", cli.model, "--n_prompt", "8,3", "--n_gen", "4",
                  "--depth", "0,5", "--runs", "2", "--quiet" }
  table.move({ ... }, 1, select("#", ...), #words + 1, words)
  return words
end

tap.test("bench has a row for each preset, number of threads, length and depth", function()
  local words = bench("--preset", "p0,p1", "--threads", "1", "--json", "-")
  local rows = json.decode(run(0, words).out).rows
  tap.equal(#rows, 2 * 6)
  local names = {}
  for i = 1, 6 do names[i] = rows[i].test end
  tap.equal(table.concat(names, " "), "pp8 pp3 tg4 pp8 @ d5 pp3 @ d5 tg4 @ d5")
  for _, row in ipairs(rows) do
    tap.equal(#row.samples, 2)
    tap.truthy(row.median > 0 and row.low <= row.median and row.median <= row.high, row.test)
    tap.equal(row.roof ~= nil, not cli.sanitized, row.test)
  end
  tap.equal(rows[1].preset .. rows[7].preset, "p0p1")
end)

tap.test("bench prints a Markdown table whose rows have as many cells as its head", function()
  local out, columns, lines = run(0, bench("--roofs", "off")).out, nil, 0
  for line in out:gmatch("[^\n]+") do
    if line:match("^|") then
      local n = select(2, line:gsub("|", ""))
      columns, lines = columns or n, lines + 1
      tap.equal(n, columns, line)
    end
  end
  tap.equal(lines, 2 + 6)
  tap.contains(out, "no roof: roofs are off")
end)

tap.test("bench refuses what it cannot measure", function()
  cli.one_line(run(3, bench("--n_prompt", "0", "--n_gen", "0")).err, "no test")
  cli.one_line(run(3, bench("--depth", "-1")).err, "--depth")
  cli.one_line(run(3, bench("--preset", "p99")).err, "p99")
  cli.one_line(run(3, bench("--models", "none.gguf")).err, "none.gguf")
end)

cli.clean_up()
tap.done()

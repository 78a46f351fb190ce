--- The main job at the command line: list, help, plans, phases, reports, judging again, comparing.
local cli = require "cli"
local json = require "json"
local schema = require "schema"
local tap = require "tap"

local store = cli.path("woolly.db")
local report_schema = json.decode(cli.read(cli.source .. "/docs/report-schema.json"))

--- Options that keep a run short.
local function quick(first, ...)
  local words = { first, "--model", cli.model, "--runs", "5", "--warmup", "0", "--quiet",
                  "--store", store }
  return table.move({ ... }, 1, select("#", ...), #words + 1, words)
end

local function gate_file(name, limits)
  return cli.write(cli.path(name), 'return { title = "Test", limits = {' .. limits .. "} }\n")
end

-- ---- what can be run ----

local function names()
  local list = {}
  for name in cli.expect(0, { "--list" }).out:gmatch("([^\n]+)") do
    list[#list + 1] = name:match("^([%w_]+)  ")
    tap.truthy(not name:find("cannot be loaded"), name)
  end
  return list
end

tap.test("--list names every scenario file with one line about it", function()
  local listed = table.concat(names(), " ")
  for _, name in ipairs { "phase1", "inference_speed", "dequantization_performance", "smoke",
                          "cache_effectiveness", "memory_allocation", "baseline", "quick",
                          "judge", "runs", "inspect", "tokenize", "generate", "perplexity" } do
    tap.contains(listed, name)
  end
end)

tap.test("--help of every script says what it does and lists its options", function()
  for _, name in ipairs(names()) do
    local out = cli.expect(0, { name .. ".lua", "--help" }).out
    tap.contains(out, "usage: woolly-lua " .. name .. ".lua")
    tap.contains(out, "--help")
    for line in out:gmatch("[^\n]+") do tap.truthy(utf8.len(line), line) end
  end
  tap.contains(cli.expect(0, { "phase1.lua", "--help" }).out, "simd_effectiveness")
end)

tap.test("the program's own help, version, and no words at all", function()
  tap.contains(cli.expect(0, { "--help" }).out, "usage: woolly-lua")
  tap.contains(cli.expect(0, { "--version" }).out, "woolly-lua ")
  tap.contains(cli.expect(3, {}).out, "usage: woolly-lua")
  cli.one_line(cli.expect(3, { "--lst" }).err, "--lst", "list")
end)

tap.test("a dry run says what would be done and does nothing", function()
  local result = cli.expect(0, { "phase1.lua", "--dry-run", "--store", cli.path("dry.db") })
  local parts = { "synth:110m-q4_0", "inference_speed", "phase1", "Nothing was measured" }
  for _, part in ipairs(parts) do
    tap.contains(result.out, part)
  end
  tap.truthy(not cli.exists(cli.path("dry.db")), "no store was made")
end)

tap.test("an unexpected word is refused", function()
  cli.one_line(cli.expect(3, quick("smoke.lua", "now")).err, "now", "--help")
end)

-- ---- a run and its report ----

local function smoke(...)
  local path = cli.path("report.json")
  local words = quick("smoke.lua", "--json", path, ...)
  local result = cli.run(words)
  return result, result.status <= 2 and json.decode(cli.read(path)) or nil
end

tap.test("the report follows its schema, every metric with its samples", function()
  local result, document = smoke("--tag", "a=b", "--seed", "7")
  tap.equal(result.status, 0, result.err)
  local wrong = schema.check(document, report_schema)
  tap.equal(#wrong, 0, table.concat(wrong, "; "))
  tap.equal(document.run.tags.a, "b")
  tap.equal(document.run.seed, 7)
  tap.equal(document.run.scenario, "smoke")
  tap.equal(document.model.arch, "llama")
  tap.equal(#document.model.sha256, 64)
  tap.equal(document.run.switches.simd, true)
  for _, metric in ipairs(document.metrics) do
    tap.equal(#metric.samples, metric.n, metric.name)
    tap.truthy(metric.n > 0, metric.name)
    tap.truthy(metric.low <= metric.median and metric.median <= metric.high, metric.name)
  end
  for _, check in ipairs(document.checks) do tap.equal(check.ok, true, check.what) end
  tap.truthy(#document.checks >= 7, "checks")
end)

tap.test("--json - prints the report alone", function()
  local result = cli.expect(0, quick("smoke.lua", "--json", "-"))
  tap.equal(json.decode(result.out).schema, "woolly-report/1")
  tap.equal(result.err, "")
end)

tap.test("the whole of phase 1 is measured and judged by one gate", function()
  if cli.sanitized then return end
  local path = cli.path("phase1.json")
  local result = cli.run(quick("phase1.lua", "--json", path, "--n_samples", "5", "--min_ms", "1"))
  tap.truthy(result.status <= 2, result.out .. result.err) -- which verdict is the machine's affair
  tap.contains(result.out, "PHASE 1 GATE: ")
  tap.contains(result.out, "Phase 1: ")
  local document = json.decode(cli.read(path))
  local wrong = schema.check(document, report_schema)
  tap.equal(#wrong, 0, table.concat(wrong, "; "))
  local found = {}
  for _, metric in ipairs(document.metrics) do found[metric.name] = metric end
  tap.equal(found.hot_path_allocations.median, 0)
  tap.equal(found.leak_bytes_per_token.median, 0)
  tap.truthy(found.improvement_factor.n >= 5, "improvement_factor")
  tap.truthy(found.simd_effectiveness.n == 0 and found.simd_effectiveness.reason, "F32 model")
end)

tap.test("a scenario by itself is judged by its part of the phase's gate", function()
  local result = cli.run(quick("memory_allocation.lua"))
  tap.equal(result.status, 0, result.out .. result.err)
  tap.contains(result.out, "PHASE 1 GATE, 3 OF 7 LIMITS: PASSED")
end)

tap.test("a gate that is asked for counts whole, with what was not measured", function()
  local result = cli.run(quick("memory_allocation.lua", "--gate", "phase1"))
  tap.equal(result.status, 2, result.err)
  tap.contains(result.out, "CANNOT JUDGE")
end)

tap.test("verdicts give the exit status", function()
  local easy = gate_file("easy.lua", "tokens_per_second = { min = 0.001 }")
  local hard = gate_file("hard.lua", "tokens_per_second = { min = 1e9 }")
  tap.equal(cli.run(quick("smoke.lua", "--gate", easy)).status, 0)
  tap.equal(cli.run(quick("smoke.lua", "--gate", hard)).status, 1)
  local open = cli.run { "smoke.lua", "--model", cli.model, "--runs", "2", "--store", "none",
                         "--gate", easy }
  tap.equal(open.status, 2, open.out)
  tap.contains(open.out, "2 samples")
end)

tap.test("a check that fails ends the run with status 1 before anything is timed", function()
  local script = cli.write(cli.path("wrong.lua"), [[
local woolly = require "woolly"
return woolly.scenario {
  about = "A wrong answer", model = false, metrics = { "tokens_per_second" },
  check = function(t) t:at_most("NMSE", 0.5, 1e-6) end,
  measure = function() error("measured") end,
}]])
  local result = cli.run { script, "--store", "none", "--gate",
                           gate_file("easy.lua", "tokens_per_second = { min = 0.001 }") }
  tap.equal(result.status, 1, result.err)
  cli.one_line(result.err, "NMSE", "0.5", "Nothing was timed")
  tap.contains(result.out, "FAILED")
end)

local function open_limit(value)
  return cli.write(cli.path("looks.lua"), [[
local woolly = require "woolly"
local n = 0
return woolly.scenario {
  about = "A limit that stays open", model = false, metrics = { "tokens_per_second" },
  runs = 6, warmup = 0,
  measure = function(m)
    n = n + 1
    m:record("tokens_per_second", ]] .. value .. [[)
  end,
}]])
end

local function looked(script, limit, ...)
  local path = cli.path("looks.json")
  local words = { script, "--store", store, "--quiet", "--json", path, "--gate",
                  gate_file("looks_gate.lua", limit), ... }
  local status = cli.run(words).status
  return status, json.decode(cli.read(path)).metrics[1]
end

tap.test("an open limit is looked at again at two and three times the runs", function()
  local script = open_limit "8 + n % 5"
  local status, metric = looked(script, "tokens_per_second = { min = 10 }")
  tap.equal(status, 2)
  tap.equal(metric.n, 18)
  tap.equal(metric.looks, 3)
  status = cli.run({ "judge.lua", "--store", store, "--gate", cli.path("looks_gate.lua") }).status
  tap.equal(status, 2, "judged again")
  status, metric = looked(script, "tokens_per_second = { min = 10 }", "--runs", "7")
  tap.equal(status, 2)
  tap.equal(metric.n, 7, "--runs is meant as it is said")
  tap.equal(metric.looks, nil)
end)

tap.test("a percentile that lacks samples even then does not extend the run", function()
  local status, metric = looked(open_limit "11", 'tokens_per_second = { min = 1, stat = "p5" }')
  tap.equal(status, 2)
  tap.equal(metric.n, 6)
end)

tap.test("a limit that is settled at the second look ends the run there", function()
  local status, metric = looked(open_limit "n == 3 and 9 or 11", "tokens_per_second = { min = 10 }")
  tap.equal(status, 0)
  tap.equal(metric.n, 12)
  tap.equal(metric.looks, 2)
  status, metric = looked(open_limit "11", "tokens_per_second = { min = 10 }")
  tap.equal(status, 0)
  tap.equal(metric.n, 6, "nothing to settle")
  tap.equal(metric.looks, nil)
end)

-- ---- stored runs, judged again ----

tap.test("changing a number in a gate changes the verdict of the stored run", function()
  cli.expect(0, quick("smoke.lua"))
  local path = gate_file("edit.lua", "tokens_per_second = { min = 0.001 }")
  local judge = { "judge.lua", "--run", "last", "--gate", path, "--store", store }
  tap.contains(cli.expect(0, judge).out, "PASSED")
  gate_file("edit.lua", "tokens_per_second = { min = 1e9 }")
  tap.contains(cli.expect(1, judge).out, "FAILED")
  gate_file("edit.lua", "tokens_per_secnd = { min = 1e9 }")
  cli.one_line(cli.expect(3, judge).err, "tokens_per_secnd", "tokens_per_second")
end)

tap.test("judging again gives a report that follows the schema", function()
  local result = cli.run { "judge.lua", "--gate", "phase1", "--store", store, "--json", "-" }
  tap.equal(result.status, 2, result.err)
  local wrong = schema.check(json.decode(result.out), report_schema)
  tap.equal(#wrong, 0, table.concat(wrong, "; "))
end)

tap.test("the plan's JSON is a gate too", function()
  local config = cli.write(cli.path("plan.json"),
    '{"phase": "1_x", "performance_gates": {"min_tokens_per_second": 0.1, "max_latency_ms": 1e4}}')
  local result = cli.run(quick("smoke.lua", "--config", config))
  tap.equal(result.status, 0, result.err)
  tap.contains(result.out, "single_token_latency_ms")
  tap.equal(cli.run { "judge.lua", "--gate", config, "--store", store }.status, 0)
end)

tap.test("runs are listed, shown, tagged and pinned", function()
  local rows = json.decode(cli.expect(0, { "runs.lua", "--store", store, "--json", "-" }).out).runs
  tap.truthy(#rows >= 3, "runs")
  local id = rows[2].id
  cli.expect(0, { "runs.lua", "pin", "release-1", id, "--store", store })
  cli.expect(0, { "runs.lua", "tag", "release-1", "note=good", "--store", store })
  for _, which in ipairs { "release-1", id, id:sub(1, 25) } do
    local words = { "runs.lua", "show", which, "--store", store, "--json", "-" }
    tap.equal(json.decode(cli.expect(0, words).out).run.id, id, which)
  end
  cli.one_line(cli.expect(3, { "runs.lua", "show", "nothing", "--store", store }).err, "nothing")
  cli.one_line(cli.expect(3, { "runs.lua", "list", "--store", cli.path("no.db") }).err, "no.db")
  cli.one_line(cli.expect(3, { "runs.lua", "shw", "--store", store }).err, "shw")
end)

tap.test("--store none keeps nothing", function()
  local result = cli.expect(0, { "smoke.lua", "--model", cli.model, "--store", "none", "--quiet" })
  tap.contains(result.out, "run not kept")
  tap.truthy(not cli.exists(cli.path("woolly.db.none")), "no file")
end)

-- ---- comparing ----

tap.test("a saved report and a stored run can be compared with", function()
  local file = cli.path("base.json")
  cli.expect(0, quick("baseline.lua", "--save", file, "--n_tokens", "8"))
  for _, with in ipairs { file, "last" } do
    local result = cli.run(quick("quick.lua", "--compare", with, "--n_tokens", "8"))
    tap.truthy(result.status <= 2, result.err)
    tap.contains(result.out, "compared with " .. with)
    tap.contains(result.out, "tokens_per_second")
  end
end)

tap.test("runs of another model are not compared silently", function()
  local result = cli.run { "quick.lua", "--model", cli.source ..
    "/tests/fixtures/stories260K.q4_0.gguf", "--compare", cli.path("base.json"), "--quiet",
    "--store", "none" }
  tap.equal(result.status, 2, result.err)
  tap.contains(result.out, "cannot")
  tap.contains(result.out, "measured with model")
end)

tap.test("a baseline that is none is refused before anything is measured", function()
  local other = cli.write(cli.path("other.json"), "{}")
  cli.one_line(cli.expect(3, quick("quick.lua", "--compare", other)).err, "other.json")
  cli.one_line(cli.expect(3, { "quick.lua", "--compare", "nothing", "--store", "none" }).err,
               "nothing")
end)

-- ---- targets, time, scripts ----

tap.test("the null target measures the harness, white-box scenarios refuse it", function()
  local result = cli.expect(0, { "quick.lua", "--target", "null", "--store", "none", "--quiet" })
  tap.contains(result.out, "target null")
  cli.one_line(cli.expect(3, { "smoke.lua", "--target", "null" }).err, "null", "native")
  cli.one_line(cli.expect(3, { "smoke.lua", "--target", "nul" }).err, "did you mean 'null'")
  tap.contains(cli.expect(0, { "harness_cost.lua", "--store", "none" }).out,
               "harness_ns_per_token")
end)

tap.test("presets and switches are checked and echoed", function()
  cli.one_line(cli.expect(3, quick("smoke.lua", "--preset", "p9")).err, "p9", "p0")
  cli.one_line(cli.expect(3, quick("smoke.lua", "--switches", "smd=off")).err, "smd")
  local _, document = smoke("--preset", "p0")
  tap.equal(document.run.preset, "p0")
  tap.equal(document.run.switches.simd, false)
  _, document = smoke("--switches", "simd=off,weight_cache_mb=1")
  tap.equal(document.run.switches.simd, false)
  tap.equal(document.run.switches.weight_cache_mb, 1)
end)

tap.test("--duration repeats for that long, --timeout ends a run with what it has", function()
  local _, document = smoke("--duration", "0.5")
  tap.truthy(#document.metrics[1].samples > 5, "repetitions")
  local path = cli.path("late.json")
  local result = cli.run { "inference_speed.lua", "--model", cli.model, "--runs", "100000",
                           "--warmup", "0", "--timeout", "2", "--json", path, "--store", store }
  tap.equal(result.status, 3, result.out)
  tap.contains(result.err, "stopped after 2 s")
  document = json.decode(cli.read(path))
  tap.equal(document.run.status, "partial")
  tap.truthy(document.metrics[1].n > 0, "samples so far")
end)

tap.test("a script may be a plain program", function()
  local script = cli.write(cli.path("plain.lua"), "print(#arg, ...) return 2")
  tap.equal(cli.expect(2, { script, "a", "b" }).out, "2\ta\tb\n")
  cli.write(script, "x = 1")
  cli.one_line(cli.expect(3, { script }).err, "plain.lua:1", "global 'x'")
  cli.write(script, "return {}")
  cli.one_line(cli.expect(3, { script }).err, "woolly.scenario")
  cli.write(script, "return 1 +")
  cli.one_line(cli.expect(3, { script }).err, "plain.lua:1")
  cli.write(script, "error 'mine'")
  cli.one_line(cli.expect(3, { script }).err, "plain.lua:1: mine")
end)

tap.test("a scenario's mistakes name the file, the line and the key", function()
  local function refused(text, ...)
    local script = cli.write(cli.path("bad.lua"), 'local woolly = require "woolly"\n' .. text)
    cli.one_line(cli.expect(3, { script, "--store", "none", "--quiet" }).err, "bad.lua:", ...)
  end
  refused('return woolly.scenario { abut = "x", measure = print }', "abut", "about")
  refused('return woolly.scenario { about = "x" }', "measure is required")
  refused('return woolly.scenario { about = "x", model = false,\nmeasure = function(m) ' ..
          'm:record("tokens_per_secnd", 1) end }', "tokens_per_secnd", "tokens_per_second")
  refused('return woolly.scenario { about = "x", model = false,\nmeasure = function(m) ' ..
          'm:record("tokens_per_second", 0 / 0) end }', "finite")
  refused('return woolly.scenario { about = "x", model = false,\nmeasure = function() ' ..
          'local t = nil return t.x end }', "nil")
end)

tap.test("samples from before a script's mistake are kept as partial", function()
  local script = cli.write(cli.path("later.lua"), [[
local woolly = require "woolly"
local n = 0
return woolly.scenario {
  about = "x", model = false, metrics = { "tokens_per_second" },
  measure = function(m)
    n = n + 1
    if n > 3 then error "third time" end
    m:record("tokens_per_second", n)
  end,
}]])
  local path = cli.path("later.json")
  cli.expect(3, { script, "--warmup", "0", "--json", path, "--store", store })
  local document = json.decode(cli.read(path))
  tap.equal(document.run.status, "partial")
  tap.equal(document.metrics[1].n, 3)
end)

tap.test("with --duration the progress tells the share of the time and how much is left", function()
  local watched, seen = cli.path("watched.db"), cli.path("seen")
  cli.write(watched .. ".progress", "") -- as dashboard.lua --live makes it
  local script = cli.write(cli.path("long.lua"), string.format([[
local clock, woolly = require "woolly.clock", require "woolly"
return woolly.scenario {
  about = "x", model = false, warmup = 0, runs = 2, metrics = { "tokens_per_second" },
  measure = function(m)
    clock.sleep_ns(300000000)
    local told = io.open(%q):read "a"
    local file = io.open(%q, "a")
    file:write(told, "\n")
    file:close()
    m:record("tokens_per_second", 1)
  end,
}]], watched .. ".progress", seen))
  cli.expect(0, { script, "--duration", "1.5", "--store", watched })
  local last, n = 0, 0
  for line in cli.read(seen):gmatch "[^\n]+" do
    local share = tonumber(line:match "^long  run %d+ .-(%d+) %%")
    tap.truthy(share and share >= last and share <= 100 and not line:find(" of ", 1, true), line)
    tap.truthy(share == 0 or line:find(" left", 1, true), line)
    last, n = share, n + 1
  end
  tap.truthy(n >= 2 and last > 0, n .. " lines, the last at " .. last)
end)

cli.clean_up()
tap.done()

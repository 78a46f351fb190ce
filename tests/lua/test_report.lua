--- The report document, the block that people read, judging it again, comparing two.
local compare = require "woolly.compare"
local gate = require "woolly.gate"
local judging = require "woolly.judging"
local report = require "woolly.report.json"
local text = require "woolly.report.text"
local tap = require "tap"

local function document(samples, run)
  local facts = { id = "01J", scenario = "smoke", title = "Smoke", target = "native", preset = "p1",
                  switches = { threads = 1 }, seed = 1, tags = {}, status = "complete" }
  for key, value in pairs(run or {}) do facts[key] = value end
  local measured, order = {}, {}
  for name, values in pairs(samples) do
    order[#order + 1] = name
    measured[name] = type(values) == "string" and { samples = {}, reason = values }
      or { samples = values }
  end
  table.sort(order)
  return report.build(facts, {
    machine = { fingerprint = "3f9c2a7700000000" }, order = order, measured = measured, status = 0,
    model = { name = "m", arch = "llama", type = "Q4_0", n_params = 110e6, sha256 = "ab",
              bytes = 1 },
  })
end

local FIVE <const> = { 41, 42, 43, 42, 41 }
local EASY <const> = { title = "Easy", limits = { tokens_per_second = { min = 1 } },
                       targets = { tokens_per_second = 6 } }

tap.test("a metric carries its samples, median and interval", function()
  local entry = document({ tokens_per_second = FIVE }).metrics[1]
  tap.equal(entry.n, 5)
  tap.equal(entry.median, 42)
  tap.equal(entry.confidence, 0.9375, "the range of five holds the median in 15 of 16 cases")
  tap.truthy(entry.low <= 42 and entry.high >= 42 and entry.low >= 41 and entry.high <= 43)
  tap.equal(entry.samples[3], 43)
end)

tap.test("from six samples on the interval has 95 %", function()
  local six = { 41, 42, 43, 42, 41, 44 }
  tap.equal(document({ tokens_per_second = six }).metrics[1].confidence, 0.95)
  tap.equal(document({ tokens_per_second = { 41 } }).metrics[1].confidence, 0.0)
end)

tap.test("a metric without samples has n 0 and a reason, no value", function()
  local entry = document({ cache_miss_ratio = "no counters" }).metrics[1]
  tap.equal(entry.n, 0)
  tap.equal(entry.reason, "no counters")
  tap.equal(entry.median, nil)
end)

local function with_roof(samples, name, roof, by)
  return report.build({ id = "01J", scenario = "smoke", target = "native", status = "complete" }, {
    machine = { fingerprint = "3f9c2a7700000000" }, order = { name }, status = 0,
    measured = { [name] = { samples = samples, roof = roof, roof_by = by } },
  })
end

tap.test("a roof is shown with the share that was reached, and what sets it", function()
  local d = with_roof(FIVE, "tokens_per_second", 84, "DRAM 30.0 GB/s, 2 threads")
  tap.near(d.metrics[1].roof_share, 0.5, 1e-9)
  tap.equal(d.notes, nil, "nothing odd")
  local block = text.render(d, {})
  tap.contains(block, "roof 84 (share 50 %)")
  tap.contains(block, "roof of tokens_per_second: DRAM 30.0 GB/s, 2 threads")
  d = with_roof({ 8, 8, 8, 8, 8 }, "single_token_latency_ms", 6)
  tap.near(d.metrics[1].roof_share, 0.75, 1e-9, "lower is better")
end)

tap.test("more than the roof is refused as a measurement bug, and its samples are kept", function()
  local d = with_roof(FIVE, "tokens_per_second", 39.9)
  local entry = d.metrics[1]
  tap.equal(entry.n, 0)
  tap.equal(entry.median, nil)
  tap.contains(entry.reason, "1.05 times its roof of 39.9")
  tap.equal(#entry.refused, 5)
  tap.equal(report.refused(d)[1], "tokens_per_second")
  tap.equal(gate.judge(EASY, report.measured(d)).verdict, "missing", "nobody judges by it")
  tap.contains(text.render(d, {}), "calibrate.lua")
  tap.equal(#report.refused(with_roof(FIVE, "tokens_per_second", 40.1)), 0, "within 5 %")
  tap.equal(#report.refused(with_roof({ 8, 8 }, "single_token_latency_ms", 8.5)), 1, "too short")
end)

tap.test("a roof that was not measured is absent, with the reason", function()
  local d = with_roof(FIVE, "tokens_per_second", nil, "roofs are off")
  tap.equal(d.metrics[1].roof, nil)
  tap.equal(d.metrics[1].roof_share, nil)
  tap.contains(text.render(d, {}), "roof of tokens_per_second: none, roofs are off")
end)

tap.test("a limit beyond the roof is unreachable, also when judged again", function()
  local d = with_roof(FIVE, "tokens_per_second", 50)
  judging.apply(d, "x", { title = "X", limits = { tokens_per_second = { min = 60 } } })
  tap.equal(d.gate.limits[1].unreachable, true)
  tap.contains(text.render(d, {}), "unreachable")
end)

tap.test("a gate's verdict, its line and the status go together", function()
  local d = document { tokens_per_second = FIVE }
  tap.equal(judging.apply(d, "phase1", EASY), "pass")
  tap.equal(judging.status(d), 0)
  local block = text.render(d, { kept = "woolly.db" })
  tap.contains(block, "Phase 1: Easy")
  tap.contains(block, "llama 110M Q4_0")
  tap.contains(block, "machine 3f9c2a")
  tap.contains(block, "limit >= 1")
  tap.contains(block, "target 6")
  tap.contains(block, "PHASE 1 GATE: PASSED")
  tap.contains(block, "run 01J kept in woolly.db")
  judging.apply(d, "phase1", { title = "Hard", limits = { tokens_per_second = { min = 100 } } })
  tap.equal(judging.status(d), 1)
  tap.contains(text.render(d, {}), "PHASE 1 GATE: FAILED (1 of 1 limits)")
end)

tap.test("what is missing is shown with its reason and cannot be judged", function()
  local d = document { cache_miss_ratio = "no counters" }
  judging.apply(d, "x", { title = "X", limits = { cache_miss_ratio = { max = 0.1 } } })
  tap.equal(judging.status(d), 2)
  local block = text.render(d, {})
  tap.contains(block, "no counters")
  tap.contains(block, "CANNOT JUDGE")
end)

tap.test("a partial run never passes, and fails where it fails", function()
  local d = document({ tokens_per_second = FIVE }, { status = "partial" })
  tap.equal(judging.apply(d, "x", EASY), "missing")
  tap.contains(text.render(d, {}), "PARTIAL")
  tap.equal(judging.apply(d, "x", { title = "H", limits = { tokens_per_second = { min = 99 } } }),
            "fail")
end)

tap.test("after a failed check every limit fails", function()
  local d = document { tokens_per_second = FIVE }
  d.checks = { { what = "a", ok = true }, { what = "logits", ok = false } }
  tap.equal(judging.apply(d, "x", EASY), "fail")
  tap.contains(d.gate.limits[1].reason, "logits")
end)

tap.test("a part of a gate counts what it leaves out", function()
  local part, left_out = judging.part(
    { title = "T", limits = { tokens_per_second = { min = 1 }, memory_usage_mb = { max = 1 } } },
    function(name) return name == "tokens_per_second" end)
  tap.equal(left_out, 1)
  tap.equal(part.limits.memory_usage_mb, nil)
  tap.equal(part.limits.tokens_per_second.min, 1)
end)

tap.test("names from files cannot draw on the terminal", function()
  local d = document({ tokens_per_second = FIVE }, { title = "a\27[31mb\n\rc" })
  local block = text.render(d, {})
  tap.equal(block:find("\27", 1, true), nil)
  tap.contains(block, "a?[31mb??c")
  tap.contains(text.render(d, { color = false }), "42")
end)

tap.test("numbers have three digits", function()
  for value, expected in pairs { [0] = "0", [0.12345] = "0.123", [1.23456] = "1.235",
                                 [12.3456] = "12.35", [123.456] = "123.5", [1234.56] = "1235",
                                 [250] = "250", [1.5e9] = "1.5e+09", [0.00001234] = "1.23e-05" } do
    tap.equal(text.number(value), expected)
  end
end)

tap.test("encoding keeps required keys as null and lists as lists, decoding drops null", function()
  local null, marked = {}, {}
  local json = { null = null, array = function(t) marked[t] = true return t end }
  local d = document({ cache_miss_ratio = "no counters" }, { preset = false })
  d.run.preset, d.model = nil, nil
  local out = report.for_json(d, json)
  tap.equal(out.model, null)
  tap.equal(out.gate, null)
  tap.equal(out.run.preset, null)
  tap.equal(out.run.commit, null)
  tap.equal(d.run.preset, nil, "the document itself is left alone")
  tap.truthy(marked[out.metrics] and marked[out.metrics[1].samples], "lists")
  local back = report.from_json(out, null)
  tap.equal(back.model, nil)
  tap.equal(back.run.preset, nil)
end)

-- ---- comparing ----

local function scaled(factor)
  local values = {}
  for i, value in ipairs { 40, 41, 42, 41, 40, 42, 41 } do values[i] = value * factor end
  return values
end

local function verdict(metric, factor)
  local lines = compare.run(document { [metric] = scaled(factor) },
                            document { [metric] = scaled(1) })
  return lines[1].verdict, compare.status(lines)
end

tap.test("a rate that fell is worse, a latency that fell is better", function()
  tap.equal(verdict("tokens_per_second", 0.8), "worse")
  tap.equal(verdict("tokens_per_second", 1.3), "better")
  tap.equal(verdict("tokens_per_second", 1.0), "same")
  tap.equal(verdict("single_token_latency_ms", 0.8), "better")
  tap.equal(verdict("single_token_latency_ms", 1.3), "worse")
  tap.equal(select(2, verdict("tokens_per_second", 0.8)), 1)
  tap.equal(select(2, verdict("tokens_per_second", 1.0)), 0)
end)

tap.test("what is missing on either side cannot be told", function()
  local lines = compare.run(document { tokens_per_second = "not today" },
                            document { tokens_per_second = FIVE })
  tap.equal(lines[1].verdict, "missing")
  tap.contains(lines[1].reason, "not today")
  tap.equal(compare.status(lines), 2)
end)

tap.test("T3: nothing is divided by zero", function()
  local lines = compare.run(document { hot_path_allocations = { 3 } },
                            document { hot_path_allocations = { 0 } })
  tap.equal(lines[1].verdict, "worse")
  tap.equal(lines[1].ratio, nil)
end)

tap.test("T3: other machines and other models are not compared", function()
  local a, b = document { tokens_per_second = FIVE }, document { tokens_per_second = FIVE }
  tap.equal(compare.refusal(a, b), nil)
  b.machine.fingerprint = "other"
  tap.contains(compare.refusal(a, b), "other")
  b.machine.fingerprint, b.model.sha256 = a.machine.fingerprint, "cdef"
  tap.contains(compare.refusal(a, b), "cdef")
end)

tap.done()

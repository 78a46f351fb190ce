--- Regressions: the truth table of one metric, directions, what is missing; baselines by segment.
local baselines = require "woolly.baselines"
local regression = require "woolly.regression"
local tap = require "tap"

local nan, inf = 0 / 0, math.huge

-- Twenty runs around a level, 1 % apart.
local function segment(level, n)
  local values = {}
  for i = 1, n or 20 do values[i] = level * (1 + 0.01 * ((i * 7) % 5 - 2) / 2) end
  return values
end

local function verdict(name, values, runs, tolerance)
  return regression.against_segment(name, values, runs, tolerance or 0.05)
end

tap.test("a breach is a suspect, two of three are a finding", function()
  local before = segment(100)
  tap.equal(verdict("tokens_per_second", before, { 100 }).verdict, "ok")
  tap.equal(verdict("tokens_per_second", before, { 90 }).verdict, "suspect")
  tap.equal(verdict("tokens_per_second", before, { 110 }).verdict, "suspect")
  tap.equal(verdict("tokens_per_second", before, { 90, 91, 89 }).verdict, "regressed")
  tap.equal(verdict("tokens_per_second", before, { 90, 100, 89 }).verdict, "regressed")
  tap.equal(verdict("tokens_per_second", before, { 90, 100, 101 }).verdict, "ok")
  tap.equal(verdict("tokens_per_second", before, { 90, 110, 100 }).verdict, "ok")
  tap.equal(verdict("tokens_per_second", before, { 110, 111, 100 }).verdict, "improved")
end)

tap.test("a metric whose less is better turns it round", function()
  local before = segment(20)
  tap.equal(verdict("ttft_ms", before, { 23, 23, 23 }).verdict, "regressed")
  tap.equal(verdict("ttft_ms", before, { 17, 17, 17 }).verdict, "improved")
  tap.near(verdict("ttft_ms", before, { 23, 23, 23 }).change, -0.15, 0.01)
end)

tap.test("beyond the noise but within the tolerance is no finding, nor the reverse", function()
  tap.equal(verdict("tokens_per_second", segment(100), { 97.5, 97.5, 97.5 }).verdict, "ok")
  tap.equal(verdict("tokens_per_second", segment(100), { 104, 104, 104 }).verdict, "ok")
  local near = verdict("tokens_per_second", segment(100), { 96, 96, 96 })
  tap.equal(near.verdict, "regressed")
  tap.contains(near.reason, "a loss of 5 % cannot be ruled out")
  tap.equal(verdict("tokens_per_second", segment(100), { 96, 96, 96 }, 0.02).verdict, "regressed")
  local noisy = {}
  for i = 1, 20 do noisy[i] = 100 * (1 + 0.2 * ((i * 7) % 5 - 2) / 2) end
  local found = verdict("tokens_per_second", noisy, { 90 })
  tap.equal(found.verdict, "ok")
  tap.contains(found.reason, "would not be seen")
end)

tap.test("what cannot be judged is missing, with the reason", function()
  local before = segment(100)
  for _, case in ipairs {
    { before, {}, "not measured this time" }, { segment(100, 7), { 90 }, "7 runs before, 8" },
    { {}, { 90 }, "0 runs before" }, { before, { nan }, "nan" }, { before, { inf }, "inf" },
    { before, { -1 }, "-1" }, { { 1, 2, nan, 4, 5, 6, 7, 8 }, { 3 }, "nan" },
  } do
    local found = verdict("tokens_per_second", case[1], case[2])
    tap.equal(found.verdict, "missing", case[3])
    tap.contains(found.reason, case[3])
  end
end)

tap.test("a baseline of 0 is no divisor: anything else is another level", function()
  local zeros = { 0, 0, 0, 0, 0, 0, 0, 0 }
  tap.equal(verdict("hot_path_allocations", zeros, { 0 }).verdict, "ok")
  local found = verdict("hot_path_allocations", zeros, { 1, 1, 1 })
  tap.equal(found.verdict, "regressed")
  tap.equal(found.change, nil)
  tap.equal(verdict("cache_hit_ratio", zeros, { 0.5, 0.5, 0.5 }).verdict, "improved")
  local values = { 2, 2, 2, 2, 2, 2, 2, 2 }
  tap.equal(verdict("hot_path_allocations", values, { 0, 0, 0 }).verdict, "improved")
  tap.equal(verdict("memory_usage_mb", segment(100), { 104 }).verdict, "ok")
  tap.equal(verdict("memory_usage_mb", segment(100), { 106, 106, 106 }).verdict, "regressed")
end)

tap.test("against one run the whole interval must lie beyond the tolerance, each time", function()
  local function samples(level) return segment(level, 10) end
  local function against(name, base, ...)
    return regression.against_run(name, base, { ... }, 0.05)
  end
  local base = samples(100)
  tap.equal(against("tokens_per_second", base, samples(100)).verdict, "ok")
  tap.equal(against("tokens_per_second", base, samples(90)).verdict, "suspect")
  tap.equal(against("tokens_per_second", base, samples(90), samples(89), samples(100)).verdict,
            "regressed")
  tap.equal(against("ttft_ms", base, samples(90), samples(89), samples(91)).verdict, "improved")
  tap.equal(against("tokens_per_second", base, samples(96)).verdict, "ok")
  local wild = { 30, 90, 90, 90, 300 }
  tap.equal(against("tokens_per_second", base, wild).verdict, "suspect")
  tap.equal(against("tokens_per_second", base, wild, wild, wild).verdict, "undecided")
  tap.equal(against("tokens_per_second", base, wild, samples(100), samples(100)).verdict, "ok")
  for _, case in ipairs {
    { {}, samples(1), "not in the baseline" }, { base, {}, "not measured this time" },
    { base, { 90, 90 }, "2 samples, 5" },
    { { 100, 100 }, samples(90), "2 samples in the baseline" },
    { base, { nan }, "nan" }, { { 1, 2, 3, 4, inf }, samples(3), "baseline holds inf" },
  } do
    local found = against("tokens_per_second", case[1], case[2])
    tap.equal(found.verdict, "missing", case[3])
    tap.contains(found.reason, case[3])
  end
  tap.equal(regression.against_run("tokens_per_second", base, {}, 0.05).verdict, "missing")
end)

tap.test("the worst verdict decides the exit status", function()
  local function status(...)
    local lines = {}
    for i, name in ipairs { ... } do lines[i] = { verdict = name } end
    return regression.status(lines)
  end
  tap.equal(status("ok", "improved"), 0)
  tap.equal(status("ok", "regressed", "missing"), 1)
  tap.equal(status("ok", "missing"), 2)
  tap.equal(status("ok", "suspect"), 2)
  tap.equal(status("ok", "undecided"), 2)
  tap.equal(status(), 2, "nothing compared")
end)

tap.test("metrics without a direction and unknown ones are not compared", function()
  local names = regression.names({ ttft_ms = {}, cached_mb = {}, made_up = {} },
                                 { tokens_per_second = {}, ttft_ms = {} })
  tap.equal(table.concat(names, " "), "tokens_per_second ttft_ms")
end)

tap.test("lines show both values, the interval and the count", function()
  local line = verdict("tokens_per_second", segment(100), { 90, 90, 100 })
  local text = regression.render({ line }, function(value) return string.format("%g", value) end)
  tap.contains(text[1], "WORSE    tokens_per_second")
  tap.contains(text[1], "2 of 3 runs")
  tap.contains(text[1], "-10.0 %")
end)

-- ---- the segment ----

local function join(...)
  local all = {}
  for _, values in ipairs { ... } do table.move(values, 1, #values, #all + 1, all) end
  return all
end

tap.test("the stable segment lies behind the last change that has enough runs", function()
  local values, first, last = baselines.stable(join(segment(100), segment(80, 12)))
  tap.equal(#values, 12)
  tap.equal(first, 21)
  tap.equal(last, 32)
end)

tap.test("right after a change the level before it is the baseline", function()
  local values, first, last = baselines.stable(join(segment(100), segment(80, 4)))
  tap.equal(first, 1)
  tap.equal(last, 20)
  tap.equal(#values, 20)
end)

tap.test("few runs, and runs with zeros, are one segment", function()
  tap.equal(#baselines.stable(segment(100, 3)), 3)
  tap.equal(#baselines.stable(join(segment(100), { 0, 0, 0 })), 23)
  tap.equal(#baselines.stable {}, 0)
end)

tap.done()

--- The truth table of verdicts: every state of the samples against every kind of limit, and against
--- a baseline. Rows are what was measured, columns who judges.
local compare    = require "woolly.compare"
local gate       = require "woolly.gate"
local judging    = require "woolly.judging"
local regression = require "woolly.regression"
local report     = require "woolly.report.json"
local tap        = require "tap"

local nan, inf = 0 / 0, math.huge
local HIGHER <const>, LOWER <const> = "tokens_per_second", "ttft_ms"
local COUNTED <const> = "hot_path_allocations"
local TEN <const>, WIDE <const> = { 10, 10, 10, 10, 10, 10 }, { 8, 9, 9, 10, 10, 11, 11, 12 }

local function judged(metric, limit, samples, extra)
  local entry = samples and { samples = samples } or nil
  for key, value in pairs(extra or {}) do entry[key] = value end
  return gate.judge({ limits = { [metric] = limit } }, { [metric] = entry })
end

-- samples, then the verdict of min 5, min 20, max 5, max 20, min 10 (equal), max 10
local TIMED <const> = {
  { "nothing", nil, "missing", "missing", "missing", "missing", "missing", "missing" },
  { "no sample", {}, "missing", "missing", "missing", "missing", "missing", "missing" },
  { "NaN", { 10, 10, nan, 10, 10, 10 }, "missing", "missing", "missing", "missing", "missing",
    "missing" },
  { "infinite", { 10, 10, 10, 10, 10, inf }, "missing", "missing", "missing", "missing", "missing",
    "missing" },
  { "-infinite", { -inf, 10, 10, 10, 10, 10 }, "missing", "missing", "missing", "missing",
    "missing", "missing" },
  { "negative", { -1e-9, 10, 10, 10, 10, 10 }, "missing", "missing", "missing", "missing",
    "missing", "missing" },
  { "too few", { 10, 10, 10, 10 }, "inconclusive", "inconclusive", "inconclusive", "inconclusive",
    "inconclusive", "inconclusive" },
  { "one", { 10 }, "inconclusive", "inconclusive", "inconclusive", "inconclusive", "inconclusive",
    "inconclusive" },
  { "all ten", TEN, "pass", "fail", "fail", "pass", "pass", "pass" },
  { "around ten", WIDE, "pass", "fail", "fail", "pass", "inconclusive", "inconclusive" },
  { "zeros", { 0, 0, 0, 0, 0 }, "fail", "fail", "pass", "pass", "fail", "pass" },
}
local LIMITS <const> = { { min = 5 }, { min = 20 }, { max = 5 }, { max = 20 }, { min = 10 },
                         { max = 10 } }

for _, row in ipairs(TIMED) do
  tap.test("a timed metric, " .. row[1], function()
    for i, limit in ipairs(LIMITS) do
      for _, metric in ipairs { HIGHER, LOWER } do -- the limit, not the metric, has the direction
        local found = judged(metric, limit, row[2])
        local where = string.format("%s, limit %d", metric, i)
        tap.equal(found.verdict, row[2 + i], where)
        tap.equal(found.limits[1].verdict, row[2 + i], where)
        if row[2 + i] ~= "pass" and row[2 + i] ~= "fail" then
          tap.truthy(found.limits[1].reason, "a reason")
        end
      end
    end
  end)
end

tap.test("every statistic refuses what is no number, too", function()
  for _, stat in ipairs { "median", "mean", "min", "max", "p50", "p90", "p99" } do
    for _, bad in ipairs { nan, inf, -inf, -1 } do
      local samples = {}
      for i = 1, 700 do samples[i] = 10 end
      samples[350] = bad
      tap.equal(judged(HIGHER, { min = 0, stat = stat }, samples).verdict, "missing", stat)
    end
  end
end)

tap.test("a count: from one sample on, equal means every one", function()
  for _, case in ipairs { { { 0 }, "pass" }, { { 0, 0, 0 }, "pass" }, { { 1 }, "fail" },
                          { {}, "missing" }, { { nan }, "missing" }, { { -1 }, "missing" } } do
    tap.equal(judged(COUNTED, { equals = 0, stat = "max" }, case[1]).verdict, case[2])
  end
  tap.equal(judged(COUNTED, { equals = 0, stat = "max" }, { 0, 0, 1 }).verdict, "fail")
end)

tap.test("the worst limit is the gate's verdict, and only pass is status 0", function()
  local worst = { "fail", "missing", "inconclusive", "pass" }
  local cases = { fail = { { min = 20 }, TEN }, missing = { { min = 5 }, {} },
                  inconclusive = { { min = 5 }, { 10 } }, pass = { { min = 5 }, TEN } }
  for i, a in ipairs(worst) do
    for k, b in ipairs(worst) do
      local found = gate.judge({ limits = { [HIGHER] = cases[a][1], [LOWER] = cases[b][1] } },
                               { [HIGHER] = { samples = cases[a][2] },
                                 [LOWER] = { samples = cases[b][2] } })
      tap.equal(found.verdict, worst[math.min(i, k)], a .. " and " .. b)
      tap.equal(gate.status(found.verdict) == 0, found.verdict == "pass")
    end
  end
end)

-- ---- two runs ----

local function document(samples, machine, model, metric)
  return report.build({ status = "complete", id = "x" }, {
    machine = { fingerprint = machine or "m1" }, model = { sha256 = model or "aa" }, status = 0,
    order = { metric or HIGHER }, measured = { [metric or HIGHER] = samples },
  })
end

local function of(...) return { samples = { ... } } end

tap.test("another machine and another model are refused, either way round", function()
  local here = document(of(10, 10, 10, 10, 10))
  local there = document(of(10, 10, 10, 10, 10), "m2")
  local other = document(of(10, 10, 10, 10, 10), "m1", "bb")
  tap.equal(compare.refusal(here, here), nil)
  tap.contains(compare.refusal(here, there), "machine m2")
  tap.contains(compare.refusal(there, here), "machine m1")
  tap.contains(compare.refusal(here, other), "model bb")
  tap.contains(compare.refusal(other, here), "model aa")
end)

-- baseline, now, verdict where higher is better, where lower is
local PAIRS <const> = {
  { "the same", of(10, 10, 10, 10, 10), of(10, 10, 10, 10, 10), "same", "same" },
  { "half", of(10, 10, 10, 10, 10), of(5, 5, 5, 5, 5), "worse", "better" },
  { "double", of(10, 10, 10, 10, 10), of(20, 20, 20, 20, 20), "better", "worse" },
  { "a zero baseline, now more", of(0, 0, 0, 0, 0), of(3, 3, 3, 3, 3), "better", "worse" },
  { "zero both times", of(0, 0, 0, 0, 0), of(0, 0, 0, 0, 0), "same", "same" },
  { "now zero", of(10, 10, 10, 10, 10), of(0, 0, 0, 0, 0), "worse", "better" },
  { "not measured now", of(10, 10, 10, 10, 10), { samples = {}, reason = "gone" }, "missing",
    "missing" },
  { "not in the baseline", { samples = {}, reason = "none" }, of(10, 10, 10, 10, 10), "missing",
    "missing" },
  { "too few now", of(10, 10, 10, 10, 10), of(5, 5, 5), "undecided", "undecided" },
  { "too few before", of(10, 10), of(5, 5, 5, 5, 5), "undecided", "undecided" },
}

for _, row in ipairs(PAIRS) do
  tap.test("two runs, " .. row[1], function()
    for i, metric in ipairs { HIGHER, LOWER } do
      local lines = compare.run(document(row[3], nil, nil, metric),
                                document(row[2], nil, nil, metric))
      tap.equal(lines[1].verdict, row[3 + i], metric)
    end
  end)
end

-- ---- new runs against a segment ----

tap.test("a segment: direction, zeros, what is no number", function()
  local segment, zeros = {}, {}
  for i = 1, 20 do segment[i], zeros[i] = 100 + i % 3 / 10, 0 end
  local cases = {
    { segment, { 80, 80, 80 }, "regressed", "improved" },
    { segment, { 120, 120, 120 }, "improved", "regressed" },
    { segment, { 80 }, "suspect", "suspect" }, { segment, { 100 }, "ok", "ok" },
    { segment, {}, "missing", "missing" }, { segment, { nan }, "missing", "missing" },
    { segment, { inf, 100, 100 }, "missing", "missing" },
    { { 100, 100 }, { 80 }, "missing", "missing" },
    { zeros, { 0, 0, 0 }, "ok", "ok" }, { zeros, { 5, 5, 5 }, "improved", "regressed" },
  }
  for i, case in ipairs(cases) do
    for k, metric in ipairs { HIGHER, LOWER } do
      tap.equal(regression.against_segment(metric, case[1], case[2], 0.05).verdict, case[2 + k],
                string.format("case %d, %s", i, metric))
    end
  end
end)

-- ---- a run that was extended, or cut short ----

tap.test("looks are kept in the report and judged alike again", function()
  local samples = { 8, 8, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 }
  for looks, expected in pairs { [1] = "pass", [2] = "inconclusive", [3] = "inconclusive" } do
    local doc = document({ samples = samples, looks = looks > 1 and looks or nil })
    tap.equal(judging.apply(doc, "g", { limits = { [HIGHER] = { min = 10 } } }), expected,
              "looks " .. looks)
    tap.equal(judging.apply(doc, "g", { limits = { [HIGHER] = { min = 10 } } }), expected, "again")
  end
end)

tap.test("what was cut short never passes", function()
  local doc = document({ samples = TEN })
  doc.run.status = "partial"
  tap.equal(judging.apply(doc, "g", { limits = { [HIGHER] = { min = 5 } } }), "missing")
  tap.equal(judging.apply(doc, "g", { limits = { [HIGHER] = { min = 50 } } }), "fail")
end)

tap.done()

--- Verdicts: the truth table, bad samples, bad gates, and random gates against an oracle.
local gate = require "woolly.gate"
local metrics = require "woolly.metrics"
local tap = require "tap"

local TIMED <const>, EXACT <const> = "tokens_per_second", "hot_path_allocations"

-- Ten samples around 10 whose interval of the median is [9, 11] or so.
local SPREAD <const> = { 8, 9, 9, 9, 10, 10, 11, 11, 11, 12 }

local function judge(metric, limit, samples, options)
  local measured = samples and { [metric] = { samples = samples } } or {}
  local judged = gate.judge({ limits = { [metric] = limit } }, measured, options)
  return judged.limits[1], judged.verdict
end

local function verdict_is(expected, metric, limit, samples, options)
  local found, overall = judge(metric, limit, samples, options)
  tap.equal(found.verdict, expected, "verdict of " .. metric)
  tap.equal(overall, expected, "the gate's verdict")
  return found
end

tap.test("a minimum passes when the whole interval is above it", function()
  verdict_is("pass", TIMED, { min = 5 }, SPREAD)
  verdict_is("inconclusive", TIMED, { min = 10 }, SPREAD)
  verdict_is("fail", TIMED, { min = 20 }, SPREAD)
end)

tap.test("a maximum passes when the whole interval is below it", function()
  verdict_is("pass", "single_token_latency_ms", { max = 20 }, SPREAD)
  verdict_is("inconclusive", "single_token_latency_ms", { max = 10 }, SPREAD)
  verdict_is("fail", "single_token_latency_ms", { max = 5 }, SPREAD)
end)

tap.test("a limit that the interval only touches is met", function()
  verdict_is("pass", TIMED, { min = 7 }, { 7, 7, 7, 7, 7 })
  verdict_is("pass", "single_token_latency_ms", { max = 7 }, { 7, 7, 7, 7, 7 })
end)

tap.test("both bounds are judged apart and the worst one counts", function()
  local judged = gate.judge({ limits = { [TIMED] = { min = 5, max = 6 } } },
                            { [TIMED] = { samples = SPREAD } })
  tap.equal(#judged.limits, 2, "limits")
  tap.equal(judged.limits[1].verdict, "pass", "min")
  tap.equal(judged.limits[2].verdict, "fail", "max")
  tap.equal(judged.verdict, "fail")
end)

tap.test("equals wants every sample equal", function()
  verdict_is("pass", EXACT, { equals = 0 }, { 0 })
  verdict_is("fail", EXACT, { equals = 0 }, { 1, 1, 1 })
  verdict_is("pass", "final_acceptance", { equals = true }, { 1 })
  verdict_is("fail", "final_acceptance", { equals = true }, { 0 })
end)

tap.test("nothing measured is missing, with the reason", function()
  local found = verdict_is("missing", TIMED, { min = 1 }, nil)
  tap.equal(found.reason, "not measured")
  local judged = gate.judge({ limits = { cache_miss_ratio = { max = 1 } } },
                            { cache_miss_ratio = { samples = {}, reason = "no counters" } })
  tap.equal(judged.limits[1].reason, "no counters")
  verdict_is("missing", TIMED, { min = 1 }, {})
end)

for name, value in pairs { NaN = 0 / 0, infinity = math.huge, ["-infinity"] = -math.huge,
                           ["a negative rate"] = -1 } do
  tap.test(name .. " among the samples never passes", function()
    local samples = { 100, 100, 100, 100, 100, value }
    for _, limit in ipairs { { min = 0 }, { max = 1e300 }, { min = 0, max = 1e300 },
                             { min = 0, stat = "min" }, { min = 0, stat = "mean" } } do
      verdict_is("missing", TIMED, limit, samples)
    end
    verdict_is("missing", EXACT, { equals = 0 }, { 0, value })
  end)
end

tap.test("fewer than 5 samples of a timed metric cannot be judged", function()
  for n = 1, 4 do
    local samples = table.move(SPREAD, 1, n, 1, {})
    verdict_is("inconclusive", TIMED, { min = 0.001 }, samples)
    verdict_is("inconclusive", TIMED, { min = 1000 }, samples)
  end
  verdict_is("pass", TIMED, { min = 0.001 }, table.move(SPREAD, 1, 5, 1, {}))
end)

tap.test("a count needs one sample only", function()
  verdict_is("pass", EXACT, { max = 0 }, { 0 })
  verdict_is("fail", EXACT, { max = 0 }, { 3 })
end)

tap.test("percentiles need enough samples for what they claim", function()
  local samples = {}
  for i = 1, 700 do samples[i] = 1 + (i % 7) / 100 end
  local limit = { max = 2, stat = "p99" }
  verdict_is("inconclusive", "single_token_latency_ms", limit, table.move(samples, 1, 661, 1, {}))
  verdict_is("pass", "single_token_latency_ms", limit, table.move(samples, 1, 662, 1, {}))
end)

tap.test("a limit beyond the physical roof fails as unreachable", function()
  local found = verdict_is("fail", TIMED, { min = 90 }, SPREAD, { roofs = { [TIMED] = 58 } })
  tap.equal(found.unreachable, true)
  tap.contains(found.reason, "58")
  local latency = "single_token_latency_ms"
  found = verdict_is("fail", latency, { max = 5 }, SPREAD, { roofs = { [latency] = 6 } })
  tap.equal(found.unreachable, true, "a latency below what is possible")
  found = verdict_is("fail", latency, { max = 5 }, SPREAD, { roofs = { [latency] = 4 } })
  tap.equal(found.unreachable, nil, "a latency that is possible")
end)

tap.test("the worst limit's verdict is the gate's: fail, missing, undecided, pass", function()
  local samples = { pass = SPREAD, fail = { 1, 1, 1, 1, 1 }, inconclusive = { 9, 9, 10, 11, 11 } }
  local names = { "tokens_per_second", "prefill_tokens_per_second" }
  local order = { fail = 1, missing = 2, inconclusive = 3, pass = 4 }
  for a in pairs(order) do
    for b in pairs(order) do
      local measured = { [names[1]] = { samples = samples[a] or {} },
                         [names[2]] = { samples = samples[b] or {} } }
      local judged = gate.judge({ limits = {
        [names[1]] = { min = a == "inconclusive" and 10 or 5 },
        [names[2]] = { min = b == "inconclusive" and 10 or 5 } } }, measured)
      tap.equal(judged.verdict, order[a] < order[b] and a or b, a .. " and " .. b)
    end
  end
end)

tap.test("only pass has exit status 0", function()
  tap.equal(gate.status "pass", 0)
  tap.equal(gate.status "fail", 1)
  tap.equal(gate.status "missing", 2)
  tap.equal(gate.status "inconclusive", 2)
end)

tap.test("a cache limit stated for one context length is not judged at another", function()
  local limit = { max = 2000, n_ctx = 4096 }
  verdict_is("missing", "kv_cache_memory_mb", limit, { 10, 10, 10, 10, 10 }, { n_ctx = 512 })
  verdict_is("pass", "kv_cache_memory_mb", limit, { 10, 10, 10, 10, 10 }, { n_ctx = 4096 })
end)

-- ---- intervals and looks ----

tap.test("a low percentile needs as many samples as the high one opposite", function()
  local samples = {}
  for i = 1, 700 do samples[i] = 10 + (i % 7) / 100 end
  local limit = { min = 2, stat = "p1" }
  verdict_is("inconclusive", TIMED, limit, table.move(samples, 1, 661, 1, {}))
  verdict_is("pass", TIMED, limit, table.move(samples, 1, 662, 1, {}))
end)

tap.test("p99 passes with one sample of 662 beyond the limit, not with two", function()
  local samples = {}
  for i = 1, 662 do samples[i] = 1.0 end
  local limit = { max = 2, stat = "p99" }
  samples[100] = 3.0
  verdict_is("pass", "single_token_latency_ms", limit, samples)
  samples[500] = 3.0
  verdict_is("inconclusive", "single_token_latency_ms", limit, samples)
end)

tap.test("a later look asks for more than the first one", function()
  local samples = { 8, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10 }
  for i = 1, 2 do samples[i] = 8 end -- two of twelve below: 98 % sure, and later looks ask 99 %
  local function at_look(looks)
    return gate.judge({ limits = { [TIMED] = { min = 10 } } },
                      { [TIMED] = { samples = samples, looks = looks } }).verdict
  end
  tap.equal(at_look(nil), "pass")
  tap.equal(at_look(1), "pass")
  tap.equal(at_look(2), "inconclusive")
end)

tap.test("a share of outcomes is judged by its binomial interval", function()
  local function outcomes(ones, n)
    local samples = {}
    for i = 1, n do samples[i] = i <= ones and 1 or 0 end
    return samples
  end
  local limit = { max = 0.01 }
  verdict_is("pass", "error_rate", limit, outcomes(0, 368))
  verdict_is("inconclusive", "error_rate", limit, outcomes(0, 367))
  verdict_is("inconclusive", "error_rate", limit, outcomes(3, 300))
  verdict_is("fail", "error_rate", limit, outcomes(10, 300))
  verdict_is("inconclusive", "error_rate", limit, outcomes(0, 1))
  verdict_is("missing", "error_rate", limit, { 0, 0.5, 0 })
  verdict_is("missing", "error_rate", limit, {})
  local judged = gate.judge({ limits = { error_rate = limit } },
                            { error_rate = { samples = outcomes(1, 10) } }).limits[1]
  tap.equal(judged.value, 0.1)
  tap.truthy(math.abs(judged.low - 0.00253) < 1e-5 and math.abs(judged.high - 0.44502) < 1e-5,
             "Clopper and Pearson's interval of 1 of 10")
end)

-- ---- random gates against an oracle that shares no code ----

-- Of n fair coins: the most heads k - 1 such that so few or fewer have at most this chance, by
-- counting subsets with whole numbers.
local function coin_rank(n, per_thousand)
  local row = { 1 }
  for _ = 1, n do
    for i = #row + 1, 2, -1 do row[i] = (row[i] or 0) + row[i - 1] end
  end
  local sum, k = 0, 0
  while (sum + row[k + 1]) * 1000 <= per_thousand * (1 << n) do
    sum, k = sum + row[k + 1], k + 1
  end
  return math.max(1, k)
end

-- 1 pass, 2 inconclusive, 3 missing, 4 fail.
local function oracle(kind, limit, samples, looks)
  local sorted = table.move(samples, 1, #samples, 1, {})
  for _, value in ipairs(sorted) do
    if value ~= value or value < 0 or value == math.huge then return 3 end
  end
  table.sort(sorted)
  local n = #sorted
  if n == 0 then return 3 end
  if n < 5 then return 2 end
  local k = coin_rank(n, looks > 1 and 10 or 25)
  local low, high = sorted[k], sorted[n + 1 - k]
  if kind == "min" then return limit <= low and 1 or limit > high and 4 or 2 end
  if kind == "max" then return limit >= high and 1 or limit < low and 4 or 2 end
  if low == high then return limit == low and 1 or 4 end
  return (limit < low or limit > high) and 4 or 2
end

local RANKS <const> = { pass = 1, inconclusive = 2, missing = 3, fail = 4 }
local BAD <const> = { 0 / 0, math.huge, -math.huge, -1e-9 }
local GATES <const> = tonumber(os.getenv "WOOLLY_RANDOM_GATES") or 100000

tap.test(GATES .. " random gates: every verdict as the oracle's, no false pass", function()
  math.randomseed(7)
  local names = {}
  for _, name in ipairs(metrics.order) do
    local m = metrics.all[name]
    if not m.exact and not m.any_sign and not m.share then names[#names + 1] = name end
  end
  for _ = 1, GATES do
    local limits, measured, expected = {}, {}, 1
    local low = math.random(0, 6)
    local high = low + math.random(0, 3)
    for _ = 1, math.random(1, 3) do
      local name = names[math.random(#names)]
      if not limits[name] and name ~= "kv_cache_memory_mb" then
        local n, samples, looks = math.random(0, 14), {}, math.random(1, 3)
        for i = 1, n do samples[i] = math.random(low, high) end
        if n > 0 and math.random(10) == 1 then samples[math.random(n)] = BAD[math.random(#BAD)] end
        measured[name] = { samples = samples, looks = looks }
        limits[name] = {}
        for _, bound in ipairs { "min", "max", "equals" } do
          if math.random(2) == 1 then
            limits[name][bound] = math.random(0, 9)
            expected = math.max(expected, oracle(bound, limits[name][bound], samples, looks))
          end
        end
      end
    end
    local judged = gate.judge({ limits = limits }, measured)
    if RANKS[judged.verdict] ~= expected then
      tap.equal(RANKS[judged.verdict], expected, "verdict " .. judged.verdict)
    end
  end
end)

-- ---- the form of a gate ----

local function problems(g) return gate.problems(g, "g.lua") end

local function one_problem(limits, ...)
  local found = problems { limits = limits }
  tap.equal(#found, 1, table.concat(found, " | "))
  for _, part in ipairs { "g.lua", ... } do tap.contains(found[1], part) end
end

tap.test("a good gate has no problems", function()
  tap.equal(#problems { title = "x", limits = { [TIMED] = { min = 1, stat = "p50" } },
                        targets = { [TIMED] = 6 } }, 0)
end)

tap.test("T1: an unknown metric is named with the nearest known one", function()
  one_problem({ tokens_per_secnd = { min = 1 } }, "tokens_per_secnd", "tokens_per_second")
end)

tap.test("T2: bounds that make no sense are refused", function()
  one_problem({ [TIMED] = { min = 5, max = 1 } }, TIMED, "5", "1")
  one_problem({ [TIMED] = {} }, TIMED, "no bound")
  one_problem({ [TIMED] = { min = 0 / 0 } }, "finite")
  one_problem({ [TIMED] = { min = math.huge } }, "finite")
  one_problem({ [TIMED] = { min = "5" } }, "5")
  one_problem({ [TIMED] = { min = -1 } }, "negative")
  one_problem({ [TIMED] = { mn = 1, max = 2 } }, "mn", "min")
  one_problem({ [TIMED] = { min = 1, stat = "p200" } }, "p200")
  one_problem({ [TIMED] = 5 }, "number")
  one_problem({ kv_cache_memory_mb = { max = 5 } }, "n_ctx")
end)

tap.test("what is no gate is refused", function()
  for _, value in ipairs { 5, "x", true, false } do
    tap.equal(#problems(value), 1)
  end
  tap.equal(#problems {}, 1)
  tap.equal(#problems { limits = {} }, 1)
  tap.equal(#problems { limits = 5 }, 1)
  tap.equal(#problems { limits = { [TIMED] = { min = 1 } }, limit = {} }, 1)
  tap.equal(#problems { limits = { [TIMED] = { min = 1 } }, targets = { nothing = 1 } }, 1)
  tap.equal(#problems { limits = { [TIMED] = { min = 1 } }, targets = { [TIMED] = 0 / 0 } }, 1)
end)

tap.done()

--- Gates: checks their form and judges samples by them. Pure.
local interval = require "woolly.stats.interval"
local metrics  = require "woolly.metrics"
local shares   = require "woolly.shares"
local stats    = require "woolly.stats"
local suggest  = require "woolly.suggest"

local gate = {}

--- Fewer samples cannot gate, whatever they say.
gate.MIN_SAMPLES = 5

local GATE_KEYS <const> = { title = "string", limits = "table", targets = "table",
                            config = "table", alerts = "table" }
local LIMIT_KEYS <const> = { min = "number", max = "number", equals = "any", stat = "string",
                             against = "string", n_ctx = "number", tolerance = "number" }
-- Worst first.
local RANK <const> = { fail = 1, missing = 2, inconclusive = 3, pass = 4 }

---@class woolly.Limit
---@field min? number
---@field max? number
---@field equals? number|boolean
---@field stat? string      "median" (default), "p50" .. "p99", "mean", "min", "max"

---@class woolly.Verdict
---@field metric string
---@field bound "min"|"max"|"equals"
---@field limit number
---@field stat string
---@field verdict "pass"|"fail"|"inconclusive"|"missing"
---@field reason? string
---@field value? number
---@field low? number
---@field high? number
---@field n integer
---@field unreachable? boolean

local function percentile_of(stat)
  local p = tonumber((stat:match("^p(%d+%.?%d*)$")))
  return p and p > 0 and p < 100 and p or nil
end

local function known_stat(stat)
  return stat == "median" or stat == "mean" or stat == "min" or stat == "max"
    or percentile_of(stat) ~= nil
end

local function is_finite(value)
  return type(value) == "number" and value == value and math.abs(value) ~= math.huge
end

local function check_limit(problems, where, name, limit)
  local function problem(...) problems[#problems + 1] = where .. "." .. string.format(...) end
  local metric = metrics.find(name)
  if not metric then
    return problem("%s: unknown metric%s", name, suggest.hint(name, suggest.keys(metrics.all)))
  end
  if type(limit) ~= "table" then
    return problem("%s: found %s, a table such as { min = 1 } is required", name, type(limit))
  end
  for key, value in pairs(limit) do
    local kind = LIMIT_KEYS[key]
    if not kind then
      problem("%s.%s: unknown key%s", name, tostring(key),
              suggest.hint(tostring(key), suggest.keys(LIMIT_KEYS)))
    elseif kind == "number" and not is_finite(value) then
      problem("%s.%s: found %s, a finite number is required", name, key,
              type(value) == "string" and string.format("%q", value) or tostring(value))
    elseif kind == "string" and type(value) ~= "string" then
      problem("%s.%s: found %s, a string is required", name, key, type(value))
    end
  end
  if limit.min == nil and limit.max == nil and limit.equals == nil then
    problem("%s: no bound, one of min, max, equals is required", name)
  end
  if is_finite(limit.min) and is_finite(limit.max) and limit.min > limit.max then
    problem("%s: min %g is above max %g", name, limit.min, limit.max)
  end
  if limit.equals ~= nil and type(limit.equals) ~= "boolean" and not is_finite(limit.equals) then
    problem("%s.equals: found %s, a number or a boolean is required", name, tostring(limit.equals))
  end
  for _, bound in ipairs { "min", "max", "equals" } do
    if not metric.any_sign and is_finite(limit[bound]) and limit[bound] < 0 then
      problem("%s.%s: %g is negative, which this metric never is", name, bound, limit[bound])
    end
  end
  if type(limit.stat) == "string" and not known_stat(limit.stat) then
    problem("%s.stat: unknown statistic '%s', known: median, mean, min, max, p1 .. p99.9", name,
            limit.stat)
  end
  if name == "kv_cache_memory_mb" and limit.n_ctx == nil then
    problem("%s: n_ctx is required, the limit means nothing without it", name)
  end
end

--- Checks a gate's form before anything runs.
---@param g any            what the file returned
---@param where string     file name, for messages
---@return string[] problems   empty when the gate is good
function gate.problems(g, where)
  local problems = {}
  if type(g) ~= "table" then
    return { string.format("%s: found %s, a gate is a table", where, type(g)) }
  end
  for key, value in pairs(g) do
    local kind = GATE_KEYS[key]
    if not kind then
      problems[#problems + 1] = string.format("%s: %s: unknown key%s", where, tostring(key),
        suggest.hint(tostring(key), suggest.keys(GATE_KEYS)))
    elseif type(value) ~= kind then
      problems[#problems + 1] = string.format("%s: %s: found %s, a %s is required", where, key,
                                              type(value), kind)
    end
  end
  if type(g.limits) ~= "table" or next(g.limits) == nil then
    if g.limits == nil or type(g.limits) == "table" then
      problems[#problems + 1] = where .. ": limits: none given, at least one is required"
    end
  else
    for _, name in ipairs(suggest.keys(g.limits)) do
      check_limit(problems, where .. ": limits", name, g.limits[name])
    end
  end
  if type(g.targets) == "table" then
    for _, name in ipairs(suggest.keys(g.targets)) do
      if not metrics.find(name) then
        problems[#problems + 1] = string.format("%s: targets.%s: unknown metric%s", where, name,
          suggest.hint(name, suggest.keys(metrics.all)))
      elseif not is_finite(g.targets[name]) then
        problems[#problems + 1] = string.format("%s: targets.%s: a finite number is required",
                                                where, name)
      end
    end
  end
  return problems
end

local function bad_sample(metric, samples)
  for i, value in ipairs(samples) do
    if not is_finite(value) then
      return string.format("sample %d is %s", i, tostring(value))
    end
    if metric.share and value ~= 0 and value ~= 1 then
      return string.format("sample %d is %g, an outcome is 0 or 1", i, value)
    end
    if value < 0 and not metric.any_sign then
      return string.format("sample %d is negative (%g)", i, value)
    end
  end
end

--- Value and interval of a statistic, see interval.lua; exact metrics and the extremes of what was
--- measured have none.
---@param samples number[]
---@param stat string
---@param exact boolean?
---@param look? integer   1: the samples were judged so often, this time included
---@return number value, number low, number high
function gate.estimate(samples, stat, exact, look)
  local sorted = stats.sorted(samples)
  local n, percentile = #sorted, percentile_of(stat)
  local value
  if stat == "median" then
    value = (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
  elseif percentile then
    value = stats.percentile_of_sorted(sorted, percentile)
  elseif stat == "mean" then
    value = stats.mean(sorted)
  else
    value = stat == "min" and sorted[1] or sorted[n]
    return value, value, value
  end
  if exact then return value, value, value end
  return value, interval.of(sorted, percentile or stat, look)
end

--- The same as a metric says how: outcomes of yes and no have a share, with its binomial interval.
---@param metric woolly.Metric
---@param samples number[]
---@param stat string
---@param looks? any   as of gate.estimate
---@return number value, number low, number high
function gate.estimate_metric(metric, samples, stat, looks)
  if metric.share then return shares.of(samples) end
  return gate.estimate(samples, stat, metric.exact, looks)
end

-- pass when the bound on the bad side clears the limit, fail when the other one misses it too
local function compare(bound, limit, low, high)
  if bound == "min" then
    if low >= limit then return "pass" end
    return high < limit and "fail" or "inconclusive"
  elseif bound == "max" then
    if high <= limit then return "pass" end
    return low > limit and "fail" or "inconclusive"
  end
  if low == limit and high == limit then return "pass" end
  return (limit < low or limit > high) and "fail" or "inconclusive"
end

--- Samples of a timed metric without which a limit on this statistic is not judged.
---@param stat string
---@return integer
function gate.needed(stat)
  local percentile = percentile_of(stat)
  return math.max(gate.MIN_SAMPLES, percentile and stats.samples_needed(percentile) or 0)
end

local function judge_bound(metric, bound, limit, stat, measured, roof)
  local samples = measured and measured.samples or {}
  local verdict = { metric = metric.name, bound = bound, limit = limit, stat = stat, n = #samples }
  local function settle(kind, reason)
    verdict.verdict, verdict.reason = kind, reason
    return verdict
  end
  if #samples == 0 then
    return settle("missing", measured and measured.reason or "not measured")
  end
  local bad = bad_sample(metric, samples)
  if bad then return settle("missing", bad) end
  -- What is counted and not timed repeats exactly; its extremes are facts from one sample on.
  local exact = metric.exact or false
  local needed = gate.needed(stat)
  verdict.value, verdict.low, verdict.high = gate.estimate_metric(metric, samples, stat,
                                                                     measured.looks)
  if not exact and not metric.share and #samples < needed then
    return settle("inconclusive", string.format("%d samples, %s needs %d", #samples, stat, needed))
  end
  local kind = compare(bound, limit, verdict.low, verdict.high)
  if roof and kind == "fail" and (bound == "min" and roof < limit
                                  or bound == "max" and metric.better == "lower" and roof > limit)
  then
    verdict.unreachable = true
  end
  return settle(kind, verdict.unreachable and string.format("unreachable: the roof is %g", roof)
                      or kind == "inconclusive" and "the limit lies inside the interval" or nil)
end

--- Judges all limits.
---@param g table                                             a gate without problems
---@param measured table<string, {samples: number[], reason?: string, looks?: integer}>  by metric
---@param options? {roofs?: table<string, number>, n_ctx?: integer}
---@return {verdict: string, limits: woolly.Verdict[]}
function gate.judge(g, measured, options)
  options = options or {}
  local verdicts, worst = {}, "pass"
  for _, name in ipairs(metrics.sort(suggest.keys(g.limits))) do
    local limit, metric = g.limits[name], metrics.find(name)
    for _, bound in ipairs { "min", "max", "equals" } do
      local value = limit[bound]
      if value ~= nil then
        if type(value) == "boolean" then value = value and 1 or 0 end
        local v = judge_bound(metric, bound, value, limit.stat or "median",
                              measured[metric.name], (options.roofs or {})[metric.name])
        if limit.n_ctx and options.n_ctx and limit.n_ctx ~= options.n_ctx then
          v.verdict = "missing"
          v.reason = string.format("measured at n_ctx %d, the limit is for %d", options.n_ctx,
                                   limit.n_ctx)
        end
        verdicts[#verdicts + 1] = v
        if RANK[v.verdict] < RANK[worst] then worst = v.verdict end
      end
    end
  end
  return { verdict = worst, limits = verdicts }
end

local STATUS <const> = { pass = 0, fail = 1, missing = 2, inconclusive = 2 }

--- Exit status of a gate's verdict.
---@param verdict string
---@return integer
function gate.status(verdict)
  return STATUS[verdict]
end

return gate

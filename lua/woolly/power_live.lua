--- The detectors on the engine itself, slowed down by its planted fault "throttle": real noise,
--- known difference.
local ab       = require "woolly.stats.ab"
local baseline = require "woolly.stats.baseline"
local engine   = require "woolly.engine"
local failure  = require "woolly.failure"
local stats    = require "woolly.stats"

local live = {}

local TOKENS <const>, DECODES <const> = 12, 24
local PAIRS <const>, PAST <const> = 10, 30

-- The upper quartile of many short decodes, which a scheduler's slices and other work on the
-- machine hardly move.
local function upper_quartile(decode)
  local rates = {}
  for i = 1, DECODES do
    local times = decode()
    rates[i] = (#times - 1) / (times[#times] - times[1]) * 1e9
  end
  return stats.percentile(rates, 75)
end

-- A side is a function that makes one run and returns its tokens per second. A run has a context of
-- its own: where one lies in memory makes a difference of per cents that stays as long as it does.
local function engine_side(model, faults)
  return function()
    local context <close> = failure.must(model:context { preset = "p3", n_ctx = 64,
                                                         faults = faults })
    return upper_quartile(function()
      context:clear()
      failure.must(context:prefill { 1 })
      return failure.must(context:decode { n_tokens = TOKENS }).times_ns
    end)
  end
end

local function null_side()
  return function()
    return upper_quartile(function()
      return engine.null_decode({ n_tokens = 100 * TOKENS }).times_ns
    end)
  end
end

local function run_pairs(plain, changed, seed)
  local a, b = {}, {}
  for _, side in ipairs(ab.order(PAIRS, seed)) do
    if side == "A" then a[#a + 1] = plain() else b[#b + 1] = changed() end
  end
  local verdict = ab.judge(a, b, { better = "higher", looks = { PAIRS } }).verdict
  return verdict == "slower" or verdict == "faster"
end

local function run_baseline(plain, changed)
  local past = {}
  for i = 1, PAST do past[i] = plain() end
  local prediction = baseline.predict(past)
  local values = { changed() }
  if baseline.confirm(prediction, values, "higher").verdict == "ok" then return false end
  values[2], values[3] = changed(), changed()
  return baseline.confirm(prediction, values, "higher").verdict ~= "ok"
end

local function row(tries, case, plain, changed)
  for _ = 1, 2 do -- warm-up
    plain()
    changed()
  end
  local found = { pairs = 0, runs = 0 }
  for try = 1, tries do
    if run_pairs(plain, changed, try) then found.pairs = found.pairs + 1 end
    if run_baseline(plain, changed) then found.runs = found.runs + 1 end
  end
  return { group = "engine", n = tries, case = case,
           cells = { pairs = found.pairs / tries, runs = found.runs / tries } }
end

--- A row for the engine that does nothing, and one for each planted slowdown.
---@param model woolly.engine.Model
---@param tries integer
---@return woolly.PowerRow[]
function live.rows(model, tries)
  local rows = { row(tries, "null, no difference", null_side(), null_side()) }
  for _, share in ipairs { 0.0, 0.02, 0.05, 0.2 } do
    local faults = share > 0 and string.format("throttle=%g", share) or nil
    rows[#rows + 1] = row(tries, share == 0 and "native, no difference"
      or string.format("faulty, %g %% of the time at a standstill", 100 * share),
      engine_side(model), engine_side(model, faults))
  end
  return rows
end

return live

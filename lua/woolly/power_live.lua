--- The detectors on the engine itself, slowed down by its planted fault "throttle": real noise, known
--- difference.
local ab       = require "woolly.stats.ab"
local baseline = require "woolly.stats.baseline"
local failure  = require "woolly.failure"

local live = {}

local TOKENS <const> = 160
local PAIRS <const>, PAST <const> = 10, 30

local function open(model, faults)
  return failure.must(model:context { preset = "p3", n_ctx = TOKENS + 8, faults = faults })
end

-- Tokens per second of one decode behind one token.
local function rate(context)
  context:clear()
  failure.must(context:prefill { 1 })
  local times = failure.must(context:decode { n_tokens = TOKENS }).times_ns
  return (#times - 1) / (times[#times] - times[1]) * 1e9
end

local function run_pairs(plain, changed, seed)
  local a, b = {}, {}
  for _, side in ipairs(ab.order(PAIRS, seed)) do
    if side == "A" then a[#a + 1] = rate(plain) else b[#b + 1] = rate(changed) end
  end
  local verdict = ab.judge(a, b, { better = "higher", looks = { PAIRS } }).verdict
  return verdict == "slower" or verdict == "faster"
end

local function run_baseline(plain, changed)
  local past = {}
  for i = 1, PAST do past[i] = rate(plain) end
  local prediction = baseline.predict(past)
  local values = { rate(changed) }
  if baseline.confirm(prediction, values, "higher").verdict == "ok" then return false end
  values[2], values[3] = rate(changed), rate(changed)
  return baseline.confirm(prediction, values, "higher").verdict ~= "ok"
end

--- One row for each planted slowdown.
---@param model woolly.engine.Model
---@param tries integer
---@return woolly.PowerRow[]
function live.rows(model, tries)
  local rows = {}
  for i, share in ipairs { 0.0, 0.05, 0.2 } do
    local plain <close> = open(model)
    local changed <close> = open(model, share > 0 and string.format("throttle=%g", share) or nil)
    for _ = 1, 3 do
      rate(plain)
      rate(changed)
    end
    local found = { pairs = 0, runs = 0 }
    for try = 1, tries do
      if run_pairs(plain, changed, try) then found.pairs = found.pairs + 1 end
      if run_baseline(plain, changed) then found.runs = found.runs + 1 end
    end
    rows[i] = { group = "engine", n = tries,
                cells = { pairs = found.pairs / tries, runs = found.runs / tries },
                case = share == 0 and "no difference"
                  or string.format("%g %% of the time at a standstill", 100 * share) }
  end
  return rows
end

return live

--- The noise floor of this machine: how much the same work varies, and the smallest change that n
--- repetitions can show above it. Measured by calibrate.lua and kept beside the roofs.
local metrics = require "woolly.metrics"
local stats   = require "woolly.stats"

local floor = {}

floor.SCHEMA = "woolly-noise/1"
local SAMPLE_MS <const> = 20
local DRAM_BYTES <const> = 1 << 28
-- Normal quantiles: 1 % false alarms in two-sided tests, 90 % of true changes found.
local Z_FALSE <const>, Z_FOUND <const> = 2.575829, 1.281552
local RANK_LOSS <const> = 3 / math.pi -- what a rank test needs more than a t test, on normal noise

---@class woolly.Floor
---@field fingerprint string
---@field measured string    RFC 3339
---@field cpu number         standard deviation of ln(rate) of work on registers
---@field memory number      of reading memory with all threads
---@field cpu_near? number    between neighbours in time: what is measured by turns sees no more
---@field memory_near? number

--- Robust standard deviation of the samples' logarithms.
---@param samples number[]   above zero
---@return number
function floor.spread(samples)
  local logs, deviations = {}, {}
  for i, value in ipairs(samples) do logs[i] = math.log(value) end
  local center = stats.median(logs)
  for i, value in ipairs(logs) do deviations[i] = math.abs(value - center) end
  return 1.4826 * stats.median(deviations)
end

--- The same from one sample to the next, so without what changes over seconds.
---@param samples number[]   above zero, in the order of time
---@return number
function floor.spread_near(samples)
  local steps = {}
  for i = 2, #samples do steps[i - 1] = math.abs(math.log(samples[i] / samples[i - 1])) end
  return 1.4826 * stats.median(steps) / math.sqrt(2)
end

--- The smallest relative change between two groups of n repetitions that is told from none: 1 %
--- false alarms, 90 % found.
---@param spread number
---@param n integer
---@return number share
function floor.smallest(spread, n)
  return math.exp((Z_FALSE + Z_FOUND) * spread * math.sqrt(2 / n / RANK_LOSS)) - 1
end

-- Metrics of work that stays in the caches; the others read memory.
local ON_REGISTERS <const> = { "^prefill", "^gem[mv]_", "^dequant", "^simd", "^attention",
                               "allocation_count", "^sampling_overhead" }

--- "exact", "cpu" or "memory": what the noise of a metric is like.
---@param name string
---@return string
function floor.kind(name)
  if metrics.all[name].exact then return "exact" end
  for _, pattern in ipairs(ON_REGISTERS) do
    if name:find(pattern) then return "cpu" end
  end
  return "memory"
end

local function rates(what, threads, samples)
  local options = { what = what, threads = threads, samples = samples, sample_ms = SAMPLE_MS }
  if what == "read" then options.bytes = DRAM_BYTES // threads end
  local result, message, code = require("woolly.roofline").measure(options)
  if not result then return nil, message, code end
  return result.samples
end

--- Measures in about that many seconds.
---@param seconds number
---@param threads integer
---@return woolly.Floor? found, string? message, string? code
function floor.measure(seconds, threads)
  local samples = { f32 = {}, read = {} }
  local turns = 4 -- in turns, so that both see the same minutes
  local each = math.max(3, math.floor(seconds * 1000 / SAMPLE_MS / turns / 2))
  for _ = 1, turns do
    for what, list in pairs(samples) do
      local found, message, code = rates(what, threads, each)
      if not found then return nil, message, code end
      table.move(found, 1, #found, #list + 1, list)
    end
  end
  return { schema = floor.SCHEMA, fingerprint = require("woolly.machine").info().fingerprint,
           measured = require("woolly.clock").utc(), cpu = floor.spread(samples.f32),
           memory = floor.spread(samples.read), cpu_near = floor.spread_near(samples.f32),
           memory_near = floor.spread_near(samples.read) }
end

local function path()
  local folder, message, code = require("woolly.process").cache_folder()
  if not folder then return nil, message, code end
  return string.format("%s/noise-%s.json", folder, require("woolly.machine").info().fingerprint)
end

--- Keeps the last measurement: noise comes and goes, there is no best.
---@param found woolly.Floor
---@return true? ok, string? message, string? code
function floor.keep(found)
  local file, message, code = path()
  if not file then return nil, message, code end
  return require("woolly.process").write_file(file, require("woolly.json").encode(found) .. "\n")
end

--- What is kept, or nil.
---@return woolly.Floor?
function floor.kept()
  local file = path()
  local text = file and require("woolly.process").read_file(file)
  local found = text and require("woolly.json").decode(text, file)
  if type(found) ~= "table" or found.schema ~= floor.SCHEMA or type(found.cpu) ~= "number"
      or type(found.memory) ~= "number" then
    return nil
  end
  return found
end

--- Why this machine cannot tell a change as small as `share` with n repetitions; nil when it can,
--- or was never calibrated.
---@param found? woolly.Floor
---@param name string    metric
---@param share number   relative change
---@param n integer
---@param rounds? integer   both sides are measured by turns, so often in a repetition
---@return string?
function floor.refusal(found, name, share, n, rounds)
  local kind = floor.kind(name)
  if not found or kind == "exact" then return nil end
  local spread = found[kind]
  if rounds then spread = (found[kind .. "_near"] or spread) / math.sqrt(rounds) end
  local least = floor.smallest(spread, n)
  if share >= least then return nil end
  local enough = n
  while enough < 10000 and floor.smallest(spread, enough) > share do enough = enough * 2 end
  return string.format("%s: a change of %.2g %% is below what this machine can tell with %d "
    .. "repetitions, %.2g %%. %s a quieter machine (calibrate.lua measures its noise)", name,
    100 * share, n, 100 * least,
    enough < 10000 and string.format("Take --runs %d, or", enough) or "Take")
end

--- The limits of a gate that are changes (an overhead of 2 %) and tighter than the noise.
---@param found? woolly.Floor
---@param gate table
---@param n_runs fun(metric: string): integer?, integer?   repetitions and rounds of turns in one;
---                                                          nil: not measured here
---@return string?   the first refusal
function floor.gate_refusal(found, gate, n_runs)
  local names = {}
  for name in pairs(gate.limits) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local metric, limit = metrics.find(name), gate.limits[name]
    local n, rounds
    if metric and metric.is_change then n, rounds = n_runs(metric.name) end
    if n and type(limit) == "table" and type(limit.max) == "number" then
      local refusal = floor.refusal(found, metric.name, limit.max, n, rounds or 1)
      if refusal then return refusal end
    end
  end
  return nil
end

return floor

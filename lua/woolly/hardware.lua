--- Metrics that need the processor's counters or samples of its instructions: measured where the
--- machine allows it, else missing with the true reason.
local counters = require "woolly.counters"
local failure  = require "woolly.failure"

local hardware = {}

local FEWEST_SAMPLES <const> = 50 -- an interval of some 14 points either way
local WINDOWS <const> = 5          -- as many as a judgement needs
local CLASSES <const> = { "scalar", "sse", "avx", "avx2", "avx512", "fma", "vnni" }

--- What a group says of a window in which nothing happens: which events it counts, and how.
---@param group woolly.counters.Group
---@return woolly.counters.Reading
function hardware.reading(group)
  failure.must(group:start())
  failure.must(group:stop())
  return failure.must(group:read())
end

--- Runs work and counts these events meanwhile, in user mode, over all threads that are there.
---@param events string[]
---@param work fun()
---@return woolly.counters.Reading? reading
---@return string? reason   nothing could be counted; work has run all the same
function hardware.count(events, work)
  local group, reason = counters.open(events)
  if not group then
    work()
    return nil, reason
  end
  local _ <close> = group
  failure.must(group:start())
  work()
  failure.must(group:stop())
  return failure.must(group:read())
end

--- Runs work and records cache_miss_ratio.
---@param m woolly.Recorder
---@param work fun()
function hardware.cache_miss_ratio(m, work)
  local reading, reason = hardware.count({ "cache-references", "cache-misses" }, work)
  local all = reading and reading.values["cache-references"]
  local misses = reading and reading.values["cache-misses"]
  if all and misses and all > 0 then
    m:record("cache_miss_ratio", misses / all)
  else
    m:missing("cache_miss_ratio", reason or reading.missing["cache-references"]
      or reading.missing["cache-misses"] or "the PMU counted no access to the last cache level")
  end
end

--- One line on the shares of a profile: classes that were met, with their intervals.
---@param shares table<string, woolly.counters.Share>
---@return string
function hardware.describe(shares)
  local parts = {}
  for _, class in ipairs(CLASSES) do
    local one = shares[class]
    if one.share > 0 then
      parts[#parts + 1] = string.format("%s %.1f %% [%.1f, %.1f]", class, 100 * one.share,
                                        100 * one.low, 100 * one.high)
    end
  end
  return table.concat(parts, ", ")
end

-- Several windows as one: shares by their samples, the interval (Wilson, 95 %) of them all.
local function pool(profiles, kind, n_samples)
  local pooled = {}
  for class in pairs(profiles[1][kind]) do
    local share = 0
    for _, profile in ipairs(profiles) do
      share = share + profile[kind][class].share * profile.n_samples / n_samples
    end
    share = math.max(0, math.min(1, share))
    local z2 = 1.959964 ^ 2
    local middle = (share + z2 / (2 * n_samples)) / (1 + z2 / n_samples)
    local half = (z2 * (share * (1 - share) + z2 / (4 * n_samples)) / n_samples) ^ 0.5
      / (1 + z2 / n_samples)
    pooled[class] = { share = share, low = math.max(0, middle - half),
                      high = math.min(1, middle + half) }
  end
  return pooled
end

--- Runs work WINDOWS times, in repetitions of its own, and records simd_instruction_usage of each.
---@param m woolly.Recorder
---@param work fun()
---@return string[] notes   method and shares; empty when it is missing
function hardware.simd_usage(m, work)
  local sampler, reason = counters.sampler()
  if not sampler then
    m:missing("simd_instruction_usage", reason)
    return {}
  end
  local _ <close> = sampler
  local profiles, n_samples = {}, 0
  for i = 1, WINDOWS do
    failure.must(sampler:start())
    work()
    local profile, why_not = sampler:stop()
    if not profile or profile.n_samples < FEWEST_SAMPLES then
      m:missing("simd_instruction_usage", why_not or string.format(
        "%d samples in %.3f s are too few, %d are required", profile.n_samples, profile.seconds,
        FEWEST_SAMPLES))
      return {}
    end
    profiles[i], n_samples = profile, n_samples + profile.n_samples
  end
  for _, profile in ipairs(profiles) do
    m:record("simd_instruction_usage", profile.instructions.packed.share)
  end
  local instructions = pool(profiles, "instructions", n_samples)
  local packed = instructions.packed
  return {
    string.format("simd_instruction_usage: %.1f %% [%.1f, %.1f], %d samples of %d threads: %s",
                  100 * packed.share, 100 * packed.low, 100 * packed.high, n_samples,
                  profiles[1].n_threads, profiles[1].method),
    "  share of instructions, by blocks: " .. hardware.describe(instructions),
    "  share of time: " .. hardware.describe(pool(profiles, "time", n_samples)),
  }
end

return hardware

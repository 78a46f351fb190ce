--- Was a repetition disturbed? Judges the difference of two readings of counters.noise. Pure.
local noise = {}

local NS_PER_S <const> = 1e9

-- What a quiet machine stays below; of the wall time unless said otherwise.
local MOST_DELAY <const>, LEAST_DELAY_NS <const> = 0.03, 3e5
local MOST_STEAL <const>, LEAST_STEAL_NS <const> = 0.02, 2e7 -- two clock ticks
local MOST_OTHERS <const>, MOST_OTHERS_SHARE <const> = 0.25, 0.02 -- CPUs; share of all CPUs
local LEAST_FOR_OTHERS_NS <const> = 2e8 -- ticks of 10 ms say little about less
local MOST_PRESSURE <const> = 0.10
local MOST_STEP <const>, LEAST_STEP_NS <const> = 0.001, 1e7 -- NTP slews by 0.05 %
local LEAST_SLEEP_NS <const> = 1e6

---@class woolly.Repetition
---@field test? string
---@field index? integer              of the samples it gave; absent: thrown away
---@field wall_ns integer
---@field cpu_ns integer
---@field thread_cpu_ns integer
---@field involuntary_switches integer
---@field run_delay_ns? integer
---@field steal_ns? integer
---@field others? number              CPUs that other processes kept busy
---@field disturbed? string           by what
---@field samples? table<string, number[]>   of a repetition that was repeated

local function difference(before, after, name)
  return before[name] and after[name] and after[name] - before[name] or nil
end

--- The strongest reason first that there is.
---@param d table        differences by field, others
---@param n_cpus integer
---@return string?
local function reason(d, n_cpus)
  local wall = d.wall_ns
  if math.abs(d.suspended_ns or 0) > LEAST_SLEEP_NS then
    return string.format("the machine slept for %.3g s", d.suspended_ns / NS_PER_S)
  end
  if math.abs(d.clock_step_ns or 0) > math.max(LEAST_STEP_NS, MOST_STEP * wall) then
    return string.format("the wall clock was set by %+.3g s", d.clock_step_ns / NS_PER_S)
  end
  if d.run_delay_ns and d.run_delay_ns > math.max(LEAST_DELAY_NS, MOST_DELAY * wall) then
    return string.format("waited %.0f %% of the time for a CPU", 100 * d.run_delay_ns / wall)
  end
  if d.steal_ns and d.steal_ns > math.max(LEAST_STEAL_NS, MOST_STEAL * wall) then
    return string.format("the hypervisor took %.0f %% of a CPU", 100 * d.steal_ns / wall)
  end
  if d.others and wall >= LEAST_FOR_OTHERS_NS
      and d.others > math.max(MOST_OTHERS, MOST_OTHERS_SHARE * n_cpus) then
    return string.format("other processes kept %.1f CPUs busy", d.others)
  end
  if not d.run_delay_ns and d.pressure_ns and d.pressure_ns > MOST_PRESSURE * wall then
    return string.format("processes waited for a CPU %.0f %% of the time",
                         100 * d.pressure_ns / wall)
  end
  if (d.throttles or 0) > 0 then return "the processor was throttled for heat" end
  return nil
end

local KEPT <const> = { "wall_ns", "cpu_ns", "thread_cpu_ns", "involuntary_switches",
                       "run_delay_ns", "steal_ns" }

--- What went on between two readings.
---@param before table<string, integer>
---@param after table<string, integer>
---@param options {n_cpus: integer, has_helpers?: boolean}   has_helpers: others work for us
---@return woolly.Repetition
function noise.between(before, after, options)
  local d = {}
  for name in pairs(after) do d[name] = difference(before, after, name) end
  d.wall_ns = math.max(d.wall_ns, 1)
  if d.busy_ns and not options.has_helpers then
    d.others = math.max(0, d.busy_ns - d.cpu_ns - d.children_cpu_ns) / d.wall_ns
  end
  local repetition = { others = d.others, disturbed = reason(d, options.n_cpus) }
  for _, name in ipairs(KEPT) do repetition[name] = d[name] end
  return repetition
end

--- One line about a run, nil when nothing disturbed it.
---@param repetitions woolly.Repetition[]
---@param whole? string   what disturbed the run as a whole
---@return string?
function noise.summary(repetitions, whole)
  local kept, disturbed, repeated, why = 0, 0, 0, nil
  for _, repetition in ipairs(repetitions) do
    if repetition.index then kept = kept + 1 end
    if repetition.disturbed then
      why = why or repetition.disturbed
      if repetition.index then
        disturbed = disturbed + 1
      else
        repeated = repeated + 1
      end
    end
  end
  if not why then return whole and string.format("disturbed as a whole: %s", whole) end
  return string.format("disturbed: %d of %d repetitions%s (%s)", disturbed, kept,
    repeated > 0 and string.format(", %d more were repeated", repeated) or "", why)
end

return noise

local common = require "woolly.common"
local counters = require "woolly.counters"
local hardware = require "woolly.hardware"
local stats = require "woolly.stats"
local woolly = require "woolly"

local ROUNDS <const> = 32

--- What samples add to the time of a prompt, a share: work that waits for no memory, whose speed
--- would hide it. Short prompts by turns, since a machine that others use as well changes its speed
--- every few tenths of a second.
local function sampling_overhead(state)
  if not state.sampler then return nil, state.no_sampler end
  local ns = { [false] = 0, [true] = 0 }
  for _, sampled in ipairs { false, true, true, false } do
    if sampled then woolly.must(state.sampler:start()) end
    state.context:clear()
    local result = woolly.must(state.context:prefill(state.prompt))
    ns[sampled] = ns[sampled] + result.end_ns - result.start_ns
    if sampled then
      local profile = woolly.must(state.sampler:stop())
      state.n_samples = state.n_samples + profile.n_samples
      state.n_lost = state.n_lost + profile.n_lost
    end
  end
  return ns[true] / ns[false] - 1
end

--- What counting adds to a pair of malloc and free, a share.
local function count_overhead()
  local plain, counted = counters.allocation_cost { n = 10000 }
  if not plain then return nil, counted end
  return counted / plain - 1
end

--- Records the median of what `round` finds; missing where it finds nothing.
local function record_median(m, metric, round, state)
  local shares = {}
  for i = 1, ROUNDS do
    local share, why_not = round(state)
    if not share then
      m:missing(metric, why_not)
      return
    end
    shares[i] = share
  end
  m:record(metric, stats.median(shares))
end

return woolly.scenario {
  about = "What the counters themselves cost: reading events, samples at 997 Hz, heap requests",
  gate = "counters_cost",
  needs = "native",
  preset = "p3",
  warmup = 1,
  runs = 15,
  metrics = { "counter_read_ns", "sampling_overhead", "allocation_count_overhead" },
  rounds = { sampling_overhead = ROUNDS, allocation_count_overhead = ROUNDS },
  params = {
    events = { default = "task-clock,page-faults,cycles,instructions",
               help = "the group that is read" },
    n_reads = { default = 20000, help = "readings per repetition" },
    n_prompt = { default = 16, help = "tokens of the prompt, with and without samples" },
  },
  setup = function(p)
    local model = woolly.model(p)
    local context = woolly.context(model, p, { n_ctx = p.n_prompt })
    local state = { model = model, context = context, n_samples = 0, n_lost = 0, events = {},
                    prompt = common.prompt(model, p.n_prompt) }
    for event in p.events:gmatch("[^,%s]+") do state.events[#state.events + 1] = event end
    state.group, state.no_group = counters.open(state.events)
    state.sampler, state.no_sampler = counters.sampler()
    return state
  end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    if state.group then
      m:record("counter_read_ns", woolly.must(state.group:read_cost_ns(p.n_reads)))
    else
      m:missing("counter_read_ns", state.no_group)
    end
    record_median(m, "sampling_overhead", sampling_overhead, state)
    record_median(m, "allocation_count_overhead", count_overhead, state)
  end,
  notes = function(state)
    local lines = {}
    if state.group then
      local reading = hardware.reading(state.group)
      for _, event in ipairs(state.events) do
        lines[#lines + 1] = string.format("%-14s %s", event, reading.missing[event] or
          (reading.used_rdpmc and "read without a system call" or "read by a system call"))
      end
    end
    lines[#lines + 1] = string.format("%d samples, %d lost", state.n_samples, state.n_lost)
    return lines
  end,
}

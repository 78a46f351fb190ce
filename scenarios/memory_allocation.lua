local common = require "woolly.common"
local counters = require "woolly.counters"
local woolly = require "woolly"

--- Runs f and adds the heap requests of all threads meanwhile to what the phase of the run had.
local function in_phase(state, phase, f)
  local before = counters.allocations()
  local result = f()
  local after = counters.allocations()
  local sum = state.phases[phase] or { requests = 0, bytes = 0, times = 0 }
  local count = before.exact and "requests" or "thread_requests"
  local bytes = before.exact and "bytes" or "thread_bytes"
  sum.requests = sum.requests + after[count] - before[count]
  sum.bytes = sum.bytes + after[bytes] - before[bytes]
  sum.times, sum.exact = sum.times + 1, before.exact
  state.phases[phase] = sum
  return result
end

local PHASES <const> = { "load the model", "open a context", "prompt", "decode", "close" }

local function describe_phases(state)
  local lines = {}
  for _, phase in ipairs(PHASES) do
    local sum = state.phases[phase]
    if sum then
      lines[#lines + 1] = string.format("%-15s %9.1f heap requests %12.1f kB asked for, mean of "
        .. "%d%s", phase, sum.requests / sum.times, sum.bytes / sum.times / 1e3, sum.times,
        sum.exact and "" or " (our own code's only)")
    end
  end
  return lines
end

--- Resident memory by kind, with a context open.
local function describe_memory(memory, why_not)
  if not memory then return "resident memory by kind: missing: " .. why_not end
  return string.format("resident %.1f MB: heap and stacks %.1f, mapped files %.1f, the share of "
                       .. "others in shared pages %.1f; huge pages %.1f", memory.rss_bytes / 1e6,
                       memory.pss_anon_bytes / 1e6, memory.pss_file_bytes / 1e6,
                       (memory.rss_bytes - memory.pss_bytes) / 1e6, memory.huge_page_bytes / 1e6)
end

local OWN_METRICS <const> = { "hot_path_allocations", "hot_path_allocated_bytes",
                              "memory_allocation_rate", "live_heap_mb", "memory_usage_mb",
                              "leak_bytes_per_token" }

--- One repetition with --pid.
local function look_at(m, state, p)
  local found, reason = counters.heap_probe { pid = p.pid, seconds = p.seconds }
  if found then
    m:record("heap_requests_per_second", found.requests / found.seconds)
  else
    m:missing("heap_requests_per_second", reason)
  end
  state.memory, state.no_memory = counters.memory(p.pid)
end

return woolly.scenario {
  about = "Heap requests on the hot path, allocation rate, live and peak memory, leaks",
  gate = "phase1",
  help = "--pid N looks at a running process instead, another engine's server say: heap requests a "
    .. "second by probes on\nits libc (as root), its memory by kind.",
  needs = "native",
  metrics = OWN_METRICS,
  params = {
    n_prompt = { default = 8, help = "tokens of the prompt" },
    n_tokens = { default = 16, help = "tokens to decode" },
    pid = { default = 0, help = "process to look at instead" },
    seconds = { default = 1.0, help = "with --pid: length of a repetition" },
  },
  setup = function(p)
    local state = { phases = {} }
    if p.pid > 0 then return state end
    state.model = in_phase(state, "load the model", function() return (woolly.model(p)) end)
    state.ids = common.prompt(state.model, p.n_prompt)
    return state
  end,
  check = function(t, state, p)
    if state.model then common.check_logits(t, state.model, p) end
  end,
  measure = function(m, state, p)
    if p.pid > 0 then return look_at(m, state, p) end
    local before = common.live_bytes()
    -- A whole life: everything that a context and its tokens asked for is given back.
    local context = in_phase(state, "open a context", function()
      return woolly.context(state.model, p, { n_ctx = p.n_prompt + p.n_tokens })
    end)
    local _ <close> = context
    in_phase(state, "prompt", function() woolly.must(context:prefill(state.ids)) end)
    context:reset_counters()
    local result = in_phase(state, "decode", function()
      return woolly.must(context:decode { n_tokens = p.n_tokens })
    end)
    local found, n = context:counters(), #result.tokens
    local seconds = (result.times_ns[n] - result.start_ns) / 1e9
    m:record("hot_path_allocations", found.allocations / n)
    m:record("hot_path_allocated_bytes", found.allocated_bytes / n)
    m:record("memory_allocation_rate", found.allocated_bytes / seconds)
    m:record("live_heap_mb", common.live_bytes() / 1e6)
    state.memory, state.no_memory = counters.memory()
    in_phase(state, "close", function() context:close() end)
    m:record("leak_bytes_per_token", (common.live_bytes() - before) / p.n_tokens)
  end,
  finish = function(m, state, p)
    if state.model then return common.record_peak(m, p) end
    for _, name in ipairs(OWN_METRICS) do
      m:missing(name, "of another process only the requests are counted (--pid)")
    end
  end,
  notes = function(state)
    local lines = describe_phases(state)
    lines[#lines + 1] = describe_memory(state.memory, state.no_memory)
    return lines
  end,
}

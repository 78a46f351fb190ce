local clock = require "woolly.clock"
local common = require "woolly.common"
local engine = require "woolly.engine"
local failure = require "woolly.failure"
local stats = require "woolly.stats"
local suggest = require "woolly.suggest"
local woolly = require "woolly"

local OTHERS <const> = { vulkan = true, metal = true } -- the plan's; the engine has none

--- The levels that --levels names, lowest first, scalar always among them; and other backends.
local function levels_of(text)
  local wanted, levels, others, here = {}, {}, {}, engine.isas()
  for name in text:lower():gmatch "[^,%s]+" do
    if name == "auto" then name = engine.best_isa() end
    wanted[name] = true
    if OTHERS[name] then others[#others + 1] = name end
  end
  for _, level in ipairs(here) do
    if wanted.cpu or wanted[level] or level == "scalar" then levels[#levels + 1] = level end
    wanted[level] = nil
  end
  for _, name in ipairs(suggest.keys(wanted)) do
    if name ~= "cpu" and not OTHERS[name] then
      failure.raise(string.format("--levels: '%s' is no level of this machine; here there are %s, "
        .. "and cpu for all of them%s", name, table.concat(here, ", "), suggest.hint(name, here)))
    end
  end
  return levels, others
end

--- The switches under test with all arithmetic at this level, one token a pass.
local function switches_of(p, level)
  local switches = { tune = false, lookup = 0 }
  for key, value in pairs(p.switches or {}) do switches[key] = value end
  switches.simd, switches.backend = true, level
  return switches
end

--- Median of a rate that is measured again until so many seconds have passed.
local function steady(seconds, rate, ...)
  local found, start = {}, clock.now_ns()
  repeat found[#found + 1] = rate(...) until clock.now_ns() - start >= seconds * 1e9
  return stats.median(found)
end

--- Median of b / a of the same rounds, with the interval of the median.
local function gain(rates, base)
  local ratios = {}
  for i, rate in ipairs(rates) do ratios[i] = rate / base[i] end
  local low, high = stats.bootstrap_median(ratios)
  return stats.median(ratios), low or 0 / 0, high or 0 / 0
end

local function row_of(state, one, best)
  local cells, first = {}, state.list[1]
  for _, what in ipairs { "decode", "prefill" } do
    local times, low, high = gain(one[what], first[what])
    cells[#cells + 1] = string.format("%s %8.1f tokens/s %3.0f %% of the best, x %.2f [%.2f, %.2f]",
      what, stats.median(one[what]), 100 * stats.median(one[what]) / best[what], times, low, high)
  end
  return string.format("%-10s %2d lanes  %s", one.level, engine.lanes(one.level),
                       table.concat(cells, "   "))
end

return woolly.scenario {
  about = "Instruction set levels of this machine: rates of decode and prompt, gain over scalar",
  gate = "phase4",
  preset = "p4",
  needs = "native",
  metrics = { "backend_decode_speedup", "backend_prefill_speedup", "backend_choice_ratio" },
  params = {
    levels = { default = "cpu", help = "what to compare, as scalar,avx2; cpu: all there are" },
    n_prompt = { default = 16, help = "tokens of the prompt" },
    n_tokens = { default = 6, help = "tokens to decode" },
    seconds = { default = 0.1, help = "each rate's least time; its median over repeats counts" },
  },
  setup = function(p)
    local levels, others = levels_of(p.levels)
    local state = { model = woolly.model(p), list = {}, rows = {}, others = others }
    for i, level in ipairs(levels) do
      local values = { preset = p.preset, switches = switches_of(p, level), threads = p.threads }
      state[i] = woolly.context(state.model, values, -- closed with the state
                                { n_ctx = math.max(p.n_prompt, p.n_tokens + 1) })
      state.list[i] = { level = level, values = values, context = state[i], decode = {},
                        prefill = {} }
    end
    return state
  end,
  check = function(t, state)
    for _, one in ipairs(state.list) do
      t:equal("level " .. one.level, one.context:switches().backend, one.level)
      common.check_logits(t, state.model, one.values)
    end
  end,
  measure = function(m, state, p)
    for _, one in ipairs(common.in_turn(m.index, state.list)) do
      local decode = steady(p.seconds, common.decode_rate, one.context, state.model, p.n_tokens)
      local prefill = steady(p.seconds, common.prefill_rate, one.context, state.model, p.n_prompt)
      if not m.warmup then
        one.decode[m.index], one.prefill[m.index] = decode, prefill
      end
    end
    local first, last = state.list[1], state.list[#state.list]
    if m.warmup or first == last then return end
    local i, highest = m.index, 0
    for _, one in ipairs(state.list) do highest = math.max(highest, one.decode[i]) end
    m:record("backend_decode_speedup", last.decode[i] / first.decode[i])
    m:record("backend_prefill_speedup", last.prefill[i] / first.prefill[i])
    m:record("backend_choice_ratio", last.decode[i] / highest)
  end,
  finish = function(m, state)
    if #state.list == 1 then
      for _, metric in ipairs { "backend_decode_speedup", "backend_prefill_speedup",
                                "backend_choice_ratio" } do
        m:missing(metric, "only the level scalar: nothing to compare")
      end
    end
    local best = { decode = 0, prefill = 0 }
    for _, one in ipairs(state.list) do
      for what, rate in pairs(best) do
        best[what] = math.max(rate, stats.median(one[what]) or 0)
      end
    end
    for i, one in ipairs(state.list) do
      if #one.decode > 0 then state.rows[i] = row_of(state, one, best) end
    end
    for _, name in ipairs(state.others) do
      state.rows[#state.rows + 1] = name .. ": not measured, the engine computes on the CPU only"
    end
  end,
  notes = function(state) return state.rows end,
}

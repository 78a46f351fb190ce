local common = require "woolly.common"
local counters = require "woolly.counters"
local engine = require "woolly.engine"
local stats = require "woolly.stats"
local woolly = require "woolly"

local function bench(type, isa, p)
  return woolly.must(engine.bench_dequantize { type = type, isa = isa, samples = p.n_samples,
                                               min_ms = p.min_ms })
end

--- Says of a metric that needs hardware counters why it is missing.
local function count_event(m, metric, event)
  local _, reason = counters.available(event)
  m:missing(metric, reason)
end

return woolly.scenario {
  about = "Dequantisation: GB/s per type, scalar and SIMD, and how well the lanes are used",
  gate = "phase1",
  needs = "native",
  warmup = 0,
  runs = 1,
  params = {
    isa = { default = "best", help = "instruction set to compare with scalar" },
    n_samples = { default = 9, help = "samples per type" },
    min_ms = { default = 4.0, help = "length of a sample" },
  },
  setup = function(p) return { model = woolly.model(p), rows = {} } end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    local main_type = state.model:info().type
    for _, type in ipairs(engine.types()) do
      local scalar, simd = bench(type, "scalar", p), bench(type, p.isa, p)
      local speed_up = {}
      for i, ns in ipairs(simd.ns_per_value) do speed_up[i] = scalar.ns_per_value[i] / ns end
      m:record_samples("dequantize_scalar_gb_per_second." .. type, scalar.gb_per_second)
      m:record_samples("dequantize_gb_per_second." .. type, simd.gb_per_second)
      if type == main_type then
        local shares = {}
        for i, factor in ipairs(speed_up) do shares[i] = factor / simd.lanes end
        m:record_samples("simd_effectiveness", shares)
      end
      state.rows[#state.rows + 1] = { type = type, isa = simd.isa, lanes = simd.lanes,
                                      scalar = stats.median(scalar.gb_per_second),
                                      simd = stats.median(simd.gb_per_second) }
    end
    count_event(m, "simd_instruction_usage", "instructions")
    count_event(m, "cache_miss_ratio", "cache-misses")
  end,
}

local common = require "woolly.common"
local engine = require "woolly.engine"
local hardware = require "woolly.hardware"
local stats = require "woolly.stats"
local woolly = require "woolly"

local function bench(type, isa, p)
  return woolly.must(engine.bench_dequantize { type = type, isa = isa, samples = p.n_samples,
                                               min_ms = p.min_ms })
end

--- The gated figures, of the type that most of the model's weights have.
local function record(m, scalar, simd)
  m:record_samples("dequantization_gb_per_second", simd.gb_per_second)
  for i, ns in ipairs(simd.ns_per_value) do
    local factor = scalar.ns_per_value[i] / ns
    m:record("dequantization_speedup", factor)
    m:record("simd_effectiveness", factor / simd.lanes)
  end
end

return woolly.scenario {
  about = "Dequantisation: GB/s per type, scalar and SIMD, and how well the lanes are used",
  gate = "phase1",
  needs = "native",
  warmup = 0,
  runs = 1,
  metrics = { "dequantization_gb_per_second", "dequantization_speedup", "simd_effectiveness",
              "simd_instruction_usage", "cache_miss_ratio" },
  params = {
    isa = { default = "best", help = "instruction set to compare with scalar" },
    n_samples = { default = 9, help = "samples per type" },
    min_ms = { default = 4.0, help = "length of a sample" },
    sampled_s = { default = 0.25, help = "seconds of each of 5 repetitions that are sampled" },
  },
  setup = function(p) return { model = woolly.model(p), rows = {} } end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    local main_type = state.model:info().type
    for i, type in ipairs(engine.types()) do
      local scalar, simd = bench(type, "scalar", p), bench(type, p.isa, p)
      if type == main_type and type ~= "F32" then record(m, scalar, simd) end
      local slow, fast = stats.median(scalar.gb_per_second), stats.median(simd.gb_per_second)
      state.rows[i] = string.format("%-7s %6.2f GB/s scalar  %7.2f GB/s %s  x %5.2f  lanes %.2f",
                                    type, slow, fast, simd.isa, fast / slow,
                                    fast / slow / simd.lanes)
    end
    if main_type == "F32" then
      for _, metric in ipairs { "dequantization_gb_per_second", "dequantization_speedup",
                                "simd_effectiveness" } do
        m:missing(metric, "the model's weights are F32: nothing is dequantised")
      end
    end
  end,
  -- Counters and samples have a repetition of their own.
  finish = function(m, state, p)
    local type = state.model:info().type
    if type == "F32" then
      for _, metric in ipairs { "simd_instruction_usage", "cache_miss_ratio" } do
        m:missing(metric, "the model's weights are F32: nothing is dequantised")
      end
      return
    end
    local n_samples = math.max(1, math.ceil(p.sampled_s * 1000 / p.min_ms))
    local function work()
      woolly.must(engine.bench_dequantize { type = type, isa = p.isa, samples = n_samples,
                                            min_ms = p.min_ms })
    end
    for _, note in ipairs(hardware.simd_usage(m, work)) do state.rows[#state.rows + 1] = note end
    hardware.cache_miss_ratio(m, function() bench(type, p.isa, p) end)
  end,
  notes = function(state) return state.rows end,
}

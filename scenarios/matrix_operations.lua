local common = require "woolly.common"
local hardware = require "woolly.hardware"
local products = require "woolly.products"
local roofs = require "woolly.roofs"
local woolly = require "woolly"

return woolly.scenario {
  about = "Matrix products per weight type and shape: GB/s, GOP/s, share of the roof, generic loop",
  gate = "phase2",
  preset = "p2",
  needs = "native",
  warmup = 0,
  runs = 1,
  metrics = { "gemm_efficiency", "gemm_gop_per_second", "gemm_speedup", "gemm_generic_efficiency",
              "gemv_efficiency", "gemv_gb_per_second", "gemv_speedup", "cache_miss_ratio" },
  params = {
    profile = { default = "gemm", choices = { "gemm" }, help = "what is profiled" },
    n_tokens = { default = 128, help = "tokens of the prompt's products (GEMM); decode has one" },
    n_samples = { default = 7, help = "samples per product" },
    min_ms = { default = 4.0, help = "length of a sample" },
    types = { default = "all", choices = { "all", "model" },
              help = "tables: every type on one shape as well, or the model's matrices only" },
    roofs = roofs.param,
  },
  setup = function(p)
    local model = woolly.model(p)
    local context <close> = woolly.context(model, p, { n_ctx = 8 })
    local switches = context:switches()
    local limits, why_not = roofs.load(p, { 1, switches.threads })
    return { model = model, switches = switches, limits = limits, why_not = why_not, rows = {},
             kernels = {} }
  end,
  check = function(t, state, p)
    common.check_logits(t, state.model, p)
    products.check(t, state, p)
  end,
  measure = function(m, state, p)
    hardware.cache_miss_ratio(m, function() products.measure(m, state, p) end)
  end,
  finish = function(_, state, p)
    if p.types == "all" then products.all_types(state, p) end
  end,
  notes = function(state) return state.rows end,
  tables = function(state) return { kernels = state.kernels } end,
}

local woolly = require "woolly"

return woolly.phase {
  about = "Phase 1 of the plan: SIMD dequantisation, weight cache, memory pool",
  title = "Phase 1: Critical path",
  gate = "phase1",
  tests = { "dequantization_performance", "cache_effectiveness", "memory_allocation",
            "inference_speed" },
}

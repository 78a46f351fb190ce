local woolly = require "woolly"

return woolly.phase {
  about = "Phase 2 of the plan: fused matrix products and attention",
  title = "Phase 2: Matrix operations",
  gate = "phase2",
  preset = "p2",
  tests = { "matrix_operations", "attention_performance", "memory_allocation", "inference_speed" },
}

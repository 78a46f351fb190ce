local woolly = require "woolly"

return woolly.phase {
  about = "Phase 4 of the plan: instruction sets, threads, several sequences",
  title = "Phase 4: Architecture",
  gate = "phase4",
  preset = "p4",
  tests = { "backend_performance", "parallel_performance", "batch_performance",
            "memory_allocation", "inference_speed" },
  missing = {
    ole_integration_ready = "ole_integration.lua measures it, also with --gate phase4",
  },
}

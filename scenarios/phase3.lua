local woolly = require "woolly"

return woolly.phase {
  about = "Phase 3 of the plan: smaller KV caches, interleaved weights, bytes read per token",
  title = "Phase 3: Memory",
  gate = "phase3",
  preset = "p3",
  tests = { "kv_cache_performance", "memory_bandwidth", "memory_allocation", "inference_speed" },
}

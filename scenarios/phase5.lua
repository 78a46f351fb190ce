local woolly = require "woolly"

return woolly.phase {
  about = "Phase 5 of the plan: what measures faster, guesses, and the final limits",
  title = "Phase 5: Final acceptance",
  gate = "phase5",
  preset = "p5",
  tests = { "speculation", "memory_allocation", "inference_speed", "comparative" },
  missing = {
    ole_integration_ready = "ole_integration.lua measures it; final_acceptance.lua runs all",
    stability_test_hours = "stability.lua measures it; final_acceptance.lua runs all",
    final_acceptance = "needs every other limit of this gate",
  },
}

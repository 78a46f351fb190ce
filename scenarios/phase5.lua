local woolly = require "woolly"

local SERVER <const> = "needs the HTTP server, which this version does not have"

return woolly.phase {
  about = "Phase 5 of the plan: what measures faster, guesses, and the final limits",
  title = "Phase 5: Final acceptance",
  gate = "phase5",
  preset = "p5",
  tests = { "speculation", "memory_allocation", "inference_speed", "comparative" },
  missing = {
    ole_integration_ready = SERVER,
    stability_test_hours = "needs the hour of stability.lua, which this version does not have",
    final_acceptance = "needs every other limit of this gate",
  },
}

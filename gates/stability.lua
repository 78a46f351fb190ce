-- "Stability test: 1 hour, 0 crashes, 0 memory leaks" of the plan; the hour itself is a limit of
-- phase 5, so that shorter runs of stability.lua can pass.
return {
  title = "Stability",
  limits = {
    crashes = { equals = 0, stat = "max" },
    leaks = { equals = 0, stat = "max" },
    error_rate = { max = 0.01 }, -- readiness for Ole: error_rate < 0.01
    stability_test_hours = { min = 0.0001 }, -- 0: a crash, a leak or drift was found
  },
  targets = { stability_test_hours = 1 },
}

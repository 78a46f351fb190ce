-- Gate of phase 4. Each figure names its place in the validation plan.
return {
  title = "Architecture",
  limits = {
    -- PHASE_GATES, validate_phase_completion, "Must pass: >15 tokens/sec"
    tokens_per_second = { min = 15.0 },
    -- PHASE_GATES; validate_phase_completion as ole_ready
    ole_integration_ready = { equals = true },
    -- PHASE_GATES, "Must pass: efficient multi-threading". The plan's figure is a speed-up.
    threading_efficiency = { min = 1.5 },
  },
  targets = {
    tokens_per_second = 90,     -- "Target: 18 -> 90 tokens/sec"
    improvement_factor = 15000, -- expected_trajectory
    threading_efficiency = 1.8, -- expected output: "1.8x speedup on 4 cores"
  },
}

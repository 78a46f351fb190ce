-- Gate of phase 5. Each figure names its place in the validation plan.
return {
  title = "Final acceptance",
  limits = {
    -- PHASE_GATES, validate_phase_completion, "Must pass: >30 tokens/sec"
    tokens_per_second = { min = 30.0 },
    -- PHASE_GATES
    llama_cpp_performance_ratio = { min = 0.8 },
    -- PHASE_GATES; validate_phase_completion as stability_hours; "Must pass: 1-hour stability"
    stability_test_hours = { min = 1.0 },
    -- "Must pass: Ole integration ready"
    ole_integration_ready = { equals = true },
    -- expected output: "Stability test: 1 hour, 0 crashes, 0 memory leaks"
    leak_bytes_per_token = { max = 0, stat = "max" },
    -- PHASE_GATES: every other limit of this gate holds
    final_acceptance = { equals = true },
  },
  targets = {
    tokens_per_second = 90,             -- "Target: 90+ tokens/sec"
    improvement_factor = 20000,         -- expected_trajectory
    llama_cpp_performance_ratio = 0.89, -- expected output: "vs llama.cpp: 89% performance"
    single_token_latency_ms = 100,      -- expected output: "Real-time response (<100ms)"
  },
}

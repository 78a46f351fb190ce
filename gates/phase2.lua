-- Gate of phase 2. Each figure names its place in the validation plan.
return {
  title = "Matrix operations",
  limits = {
    -- PHASE_GATES, validate_phase_completion, "Must pass: >1 tokens/sec"
    tokens_per_second = { min = 1.0 },
    -- validate_phase_completion
    single_token_latency_ms = { max = 1000, stat = "p95" },
    -- PHASE_GATES
    improvement_factor = { min = 100 },
    -- PHASE_GATES. It is a share of the roof of each shape, so it also holds the line
    -- "Must pass: cache-friendly memory access", for which the plan has no figure.
    gemm_efficiency = { min = 0.7 },
    -- PHASE_GATES
    attention_speedup = { min = 2.0 },
    -- what phase 1 reached stays: detect_hot_path_allocations
    hot_path_allocations = { equals = 0, stat = "max" },
  },
  targets = {
    tokens_per_second = 6.0,   -- "Target: 0.6 -> 6 tokens/sec"
    improvement_factor = 1000, -- expected_trajectory
    gemm_efficiency = 0.78,    -- expected output: "GEMM efficiency: 78%"
    attention_speedup = 3.2,   -- expected output: "Attention speedup: 3.2x"
  },
}

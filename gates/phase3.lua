-- Gate of phase 3. Each figure names its place in the validation plan.
return {
  title = "Memory",
  limits = {
    -- PHASE_GATES, validate_phase_completion, "Must pass: >5 tokens/sec"
    tokens_per_second = { min = 5.0 },
    -- PHASE_GATES, validate_phase_completion, "Must pass: <2GB memory usage for KV cache".
    -- The plan names no context length; a limit on a cache needs one.
    kv_cache_memory_mb = { max = 2000, n_ctx = 8192 },
    -- PHASE_GATES
    memory_bandwidth_reduction = { min = 0.5 },
  },
  targets = {
    tokens_per_second = 18,            -- "Target: 6 -> 18 tokens/sec"
    improvement_factor = 3000,         -- expected_trajectory
    kv_cache_memory_mb = 1800,         -- expected output: "KV cache memory: 1.8GB"
    memory_bandwidth_reduction = 0.65, -- expected output: "65% reduction vs Phase 2"
  },
}

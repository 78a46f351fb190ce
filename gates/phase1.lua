-- Gate of phase 1. Each figure names its place in the validation plan.
return {
  title = "Critical path",
  limits = {
    -- PHASE_GATES, validate_phase_completion, the phase's JSON, "Must pass: >0.1 tokens/sec"
    tokens_per_second = { min = 0.1 },
    -- the phase's JSON; "Must pass: <10s per token"
    single_token_latency_ms = { max = 10000 },
    -- PHASE_GATES; against a fresh p0 run of the same model
    improvement_factor = { min = 10 },
    -- PHASE_GATES, validate_phase_completion, the phase's JSON
    memory_usage_mb = { max = 6000 },
    -- PHASE_GATES
    simd_effectiveness = { min = 0.5 },
    -- the phase's JSON: detect_hot_path_allocations, with the memory pool in place
    hot_path_allocations = { equals = 0, stat = "max" },
    -- "Must pass: no memory leaks"
    leak_bytes_per_token = { max = 0, stat = "max" },
  },
  targets = {
    tokens_per_second = 0.6,  -- "Target: 0.006 -> 0.6 tokens/sec"
    improvement_factor = 100, -- "Target: 100x improvement"; expected_trajectory
    cache_hit_ratio = 0.85,   -- expected output: "Cache hit ratio: 85%"
    memory_usage_mb = 4200,   -- expected output: "Memory usage: 4.2GB"
  },
}

-- Readiness for the Ole desktop application: validate_ole_integration_readiness of the plan,
-- measured over HTTP from a separate client process.
return {
  title = "Ole integration",
  limits = {
    single_token_latency_ms = { max = 100, stat = "p95" }, -- real_time_response
    tokens_per_second = { min = 15 },                      -- sustained_performance
    memory_usage_mb = { max = 4000, stat = "max" },       -- memory_efficiency
    error_rate = { max = 0.01 },                           -- stability
    api_response_success_rate = { min = 0.99, stat = "min" }, -- api_compatibility
    ole_integration_ready = { equals = true },             -- all five at once
    -- Not in the plan's list: the wait for the first token of a 128-token prompt.
    ttft_ms = { max = 1000 },
  },
  targets = {
    ttft_ms = 100, -- phase 5, expected output: "Real-time response (<100ms)"
  },
}

-- What the daily check warns about: PerformanceAlertSystem in the plan, which names the two
-- metrics (minimum_acceptable_tps, maximum_acceptable_memory) and leaves the figures open.
-- They start at the gate of phase 1; raise them with each phase that passes.
return {
  title = "Daily alerts",
  limits = {
    tokens_per_second = { min = 0.1 }, -- "Performance degradation: ... tps"
    memory_usage_mb = { max = 6000 },  -- "Memory usage spike: ... MB"
  },
}

-- What the daily check warns about: PerformanceAlertSystem in the plan, which names the two
-- metrics (minimum_acceptable_tps, maximum_acceptable_memory) and leaves the figures open.
-- They start at the gate of phase 1; raise them with each phase that passes.
return {
  title = "Daily alerts",
  limits = {
    tokens_per_second = { min = 0.1 }, -- "Performance degradation: ... tps"
    memory_usage_mb = { max = 6000 },  -- "Memory usage spike: ... MB"
  },
  -- Beside the limits: changes for the worse that both detectors see, once each.
  alerts = {
    magnitude = 0.05, -- the plan's tolerance; smaller steps are none
    age = 3,          -- runs on the new level before anybody is told
    drift = true,     -- slow ones too
  },
}

-- The improvement expected after each phase, as a factor over the start: expected_trajectory in
-- the plan's PerformanceTrendAnalyzer. A measured trajectory is drawn against it.
return {
  title = "Expected trajectory",
  metric = "improvement_factor",
  expected = {
    phase1 = 100,
    phase2 = 1000,
    phase3 = 3000,
    phase4 = 15000,
    phase5 = 20000,
  },
}

-- What measuring may cost: the figures that the scenario counters_cost.lua must keep.
return {
  title = "Counters and samples",
  limits = {
    counter_read_ns = { max = 2000 },
    sampling_overhead = { max = 0.02 },
    allocation_count_overhead = { max = 0.10 },
  },
}

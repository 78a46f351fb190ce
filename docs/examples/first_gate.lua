return {
  title = "Good enough for the story demo",
  limits = {
    tokens_per_second = { min = 100 },
    ttft_ms = { max = 50 },
    single_token_latency_ms = { max = 20, stat = "p90" },
  },
  targets = { tokens_per_second = 1000 }, -- printed beside the result, never judged
}

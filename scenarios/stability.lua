local load = require "woolly.load"
local soak = require "woolly.soak"
local woolly = require "woolly"

return woolly.scenario {
  about = "A server for hours: crashes, failures, leaks of memory, files and threads, drift",
  help = "Slices of the same load for --duration seconds. After each the resident memory, threads\n"
    .. "and open files of the server's process are read. What rises steadily (Mann-Kendall or its\n"
    .. "steps, p < 0.01, more than 1 % an hour by Theil and Sen's slope) is a leak. Hours with a\n"
    .. "leak or drift count as none.",
  title = "Stability",
  gate = "stability",
  target = "openai",
  preset = "p5",
  runs = 1,
  warmup = 1,
  metrics = soak.metrics,
  params = load.params {
    duration = { default = 3600.0, help = "seconds" },
    n_users = { default = 4, help = "callers at the same time" },
    n_prompt = { default = 16, help = "tokens of a prompt" },
    n_tokens = { default = 16, help = "tokens to generate" },
  },
  setup = soak.open,
  measure = soak.measure,
  finish = soak.finish,
  tables = function(state) return { slices = state.rows } end,
  notes = soak.notes,
}

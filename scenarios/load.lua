local load = require "woolly.load"
local sweep = require "woolly.sweep"
local woolly = require "woolly"

return woolly.scenario {
  about = "Latency and throughput of a server under rising load: users, rates or a trace",
  help = "Starts serve.lua on --model, or drives the server at --url. --users: so many callers,\n"
    .. "each waiting for its answer. --rates: requests per second that leave when they are due,\n"
    .. "whatever the server does (--arrivals constant or poisson). --trace FILE: JSON with at_s,\n"
    .. "seconds, and body. A load that the server cannot keep up with ends the sweep. Goodput\n"
    .. "counts requests that met --ttft_slo, --tpot_slo and --e2e_slo (ms, from when due).",
  title = "Load",
  target = "openai",
  preset = "p5",
  warmup = 0,
  runs = 1,
  metrics = sweep.metrics,
  params = load.params {
    users = { type = "list", default = { 1, 2, 4, 8, 16 }, help = "callers, one point each" },
    rates = { type = "string", help = "requests/s instead, one point each: 0.5,1,2" },
    arrivals = { default = "poisson", choices = { "poisson", "constant" }, help = "with --rates" },
    ramp_to = { type = "number", help = "with --rates: the rate rises to this within --seconds" },
    trace = { type = "string", help = "JSON file with the times of requests instead" },
    seconds = { default = 10.0, help = "of each point" },
    ramp = { default = 0.0, help = "seconds until the last user has begun" },
    drain = { default = 60.0, help = "seconds that the last requests of a point may take" },
    ttft_slo = { default = 1000.0, help = "objective: first token, ms" },
    tpot_slo = { default = 100.0, help = "objective: time per further token, ms" },
    e2e_slo = { type = "number", help = "objective: whole answer, ms" },
  },
  setup = function(p)
    sweep.points(p) -- bad options are refused before a server is started
    return load.open(p)
  end,
  measure = sweep.measure,
  tables = function(state) return { curve = state.rows or {} } end,
  notes = sweep.notes,
}

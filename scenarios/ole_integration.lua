local json = require "woolly.json"
local load = require "woolly.load"
local readiness = require "woolly.readiness"
local woolly = require "woolly"

return woolly.scenario {
  about = "Is the server ready for the Ole desktop application: five criteria, the HTTP contract",
  help = "Starts serve.lua on --model in a process of its own, or drives the one at --url, and\n"
    .. "measures over HTTP: a window of one stream, many short generations, every check of the\n"
    .. "contract (contract.lua). With --url nothing is unloaded and memory needs --pid.\n"
    .. "--real_time: fail, too, when the first token of a prompt takes 100 ms (p95).",
  title = "Ole integration",
  gate = "ole",
  target = "openai",
  preset = "p5",
  warmup = 0,
  runs = 1,
  metrics = readiness.metrics,
  params = load.params {
    seconds = { default = 60.0, help = "length of the window of one stream" },
    generations = { default = 400, help = "short generations that show errors; 0: none" },
    real_time = { type = "boolean", help = "judge the wait for the first token by 100 ms" },
  },
  setup = function(p)
    local state = load.open(p)
    state.windows = {}
    return state
  end,
  check = function(t, state, p)
    local answer = state.service:request("POST", "/v1/completions", state.bodies[1],
                                         { stream = true, max_tokens = p.n_tokens })
    t:truthy("a generation completes: " .. (answer.message or "ok"),
             p.api ~= "completions" or answer.ok)
  end,
  measure = readiness.measure,
  finish = readiness.finish,
  tables = function(state)
    local rows = {}
    for i, check in ipairs(state.checks or {}) do
      rows[i] = { part = check.part, name = check.name, ok = check.ok,
                  reason = check.reason or json.null }
    end
    return { contract = rows }
  end,
  notes = readiness.notes,
}

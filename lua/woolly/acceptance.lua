--- The parts that the last phase is judged by: speed, the ratio to llama.cpp, readiness for Ole,
--- hours without crash or leak.
local campaign = require "woolly.campaign"

local acceptance = {}

local FULL_WINDOW_S <const>, FEWEST_GENERATIONS <const> = 60, 400
local OLE <const> = { "ole_integration_ready", "api_response_success_rate" }
local STABILITY <const> = { "stability_test_hours", "crashes", "error_rate", "leaks",
                            "throughput_drift", "memory_growth_mb_per_hour" }

--- Seconds of the window over HTTP: a minute, less where the whole is to be shorter.
local function window(duration)
  return math.max(2, math.min(FULL_WINDOW_S, duration / 4))
end

---@param p woolly.Values   duration, model, preset, threads
---@return woolly.CampaignPart[]
function acceptance.parts(p)
  return {
    { name = "phase5", words = campaign.words(p) },
    { name = "ole_integration", takes = OLE,
      words = campaign.words(p, string.format("--seconds=%g", window(p.duration)),
                             "--generations=" .. FEWEST_GENERATIONS) },
    { name = "stability", takes = STABILITY,
      words = campaign.words(p, string.format("--duration=%g", p.duration)) },
  }
end

--- What is to be known before hours go by: seconds are no hours.
---@param p woolly.Values   duration, gate
---@return string[] notes
function acceptance.notes(p)
  local limit = campaign.gate_of(p.gate or "phase5").gate.limits.stability_test_hours
  local wanted = limit and limit.min and limit.min * 3600
  if not wanted or p.duration >= wanted then return {} end
  return { string.format("--duration %g is too short for stability_test_hours >= %g, which "
                         .. "cannot pass so: --duration %g is needed", p.duration, limit.min,
                         wanted) }
end

return acceptance

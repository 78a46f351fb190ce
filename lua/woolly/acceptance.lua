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

return acceptance

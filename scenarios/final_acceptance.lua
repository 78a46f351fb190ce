local acceptance = require "woolly.acceptance"
local campaign = require "woolly.campaign"
local clock = require "woolly.clock"
local woolly = require "woolly"

return woolly.tool {
  about = "All that the gate of phase 5 names: speed, llama.cpp, Ole, hours without crash or leak",
  help = "Runs phase5.lua, ole_integration.lua and stability.lua, each in a process of its own,\n"
    .. "kept as it ends. Interrupted or killed, the same command goes on with what is missing.",
  params = campaign.params {
    model = { default = "synth:110m-q4_0", help = "model under test" },
    duration = { default = 3600.0, help = "seconds of the stability test" },
    gate = { default = "phase5", help = "limits to judge by" },
  },
  run = function(p)
    campaign.check_gate(p)
    local started = clock.utc()
    local one = { name = "final_acceptance", title = "Final acceptance", gate = p.gate, p = p,
                  notes = acceptance.notes(p), parts = acceptance.parts(p) }
    local results, key = campaign.run(one)
    local document, status = campaign.conclude(one, results, key, started)
    campaign.print(p, document)
    return status
  end,
}

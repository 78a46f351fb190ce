local acceptance = require "woolly.acceptance"
local campaign = require "woolly.campaign"
local clock = require "woolly.clock"
local woolly = require "woolly"

-- In this order; what a script gives that one before gave already does not count again.
local PARTS <const> = {
  "inference_speed", "memory_allocation", "dequantization_performance", "cache_effectiveness",
  "matrix_operations", "attention_performance", "kv_cache_performance", "memory_bandwidth",
  "backend_performance", "parallel_performance", "batch_performance", "speculation", "load",
}

local function parts_of(p)
  local parts, names = {}, {}
  for name in ((p.parts or table.concat(PARTS, ",")) .. ","):gmatch "([^,]+)," do
    names[#names + 1] = name
  end
  for i, name in ipairs(names) do parts[i] = { name = name, words = campaign.words(p) } end
  return table.move(acceptance.parts(p), 1, 3, #parts + 1, parts)
end

return woolly.tool {
  about = "Every scenario of the plan, then --duration seconds of stability: one report, one gate",
  help = "Each runs in a process of its own and is kept as it ends. Interrupted or killed, the\n"
    .. "same command goes on with what is missing. --gate phase_N judges by another phase.",
  params = campaign.params {
    model = { default = "synth:110m-q4_0", help = "model under test" },
    duration = { default = 3600.0, help = "seconds of the stability test" },
    gate = { default = "phase5", help = "limits to judge by" },
    parts = { type = "string", help = "comma-separated scripts instead of all of the plan's" },
  },
  run = function(p)
    campaign.check_gate(p)
    local started = clock.utc()
    local one = { name = "comprehensive", title = "Comprehensive validation", gate = p.gate, p = p,
                  notes = acceptance.notes(p), parts = parts_of(p) }
    local results, key = campaign.run(one)
    local document, status = campaign.conclude(one, results, key, started)
    campaign.print(p, document)
    return status
  end,
}

local acceptance = require "woolly.acceptance"
local campaign = require "woolly.campaign"
local child = require "woolly.child"
local clock = require "woolly.clock"
local common = require "woolly.common"
local evidence = require "woolly.evidence"
local files = require "woolly.files"
local json = require "woolly.json"
local judging = require "woolly.judging"
local process = require "woolly.process"
local woolly = require "woolly"

local PHASES <const> = 5

local function parts_of(p)
  local parts = {}
  for n = p.all_phases and 1 or PHASES, PHASES - 1 do
    parts[#parts + 1] = { name = "phase" .. n,
                          words = child.options({ model = p.model, threads = p.threads },
                                                { "model", "threads" }) }
  end
  local words = child.options({ model = p.model, threads = p.threads, duration = p.duration,
                                preset = p.preset }, { "model", "threads", "preset", "duration" })
  parts[#parts + 1] = { name = "final_acceptance", words = words, is_tool = true }
  return parts
end

--- regression.lua against the baseline; "missing" where there is none.
local function regression(p)
  local words = child.options({ model = p.model, threads = p.threads, store = p.store,
                                baseline = p.baseline },
                              { "model", "threads", "store", "baseline" })
  table.insert(words, 1, "regression.lua")
  local result = child.run(words)
  local said = result.status <= 2 and result.out ~= "" and result.out or result.err
  local last = said:match "([^\n]+)\n*$" or "said nothing"
  return { status = result.status, line = last:sub(1, 200) }
end

--- Phase 4 asks for readiness for Ole too, which the last part has measured over HTTP.
local function complete_phase4(results)
  local phase = results.phase4 and results.phase4.document
  local last = results.final_acceptance.document
  if not phase or not last then return end
  local ready
  for _, entry in ipairs(last.metrics) do
    if entry.name == "ole_integration_ready" then ready = entry end
  end
  for i, entry in ipairs(phase.metrics) do
    if ready and entry.name == ready.name then phase.metrics[i] = ready end
  end
  judging.apply(phase, "phase4", files.gate("phase4").gate)
  results.phase4.status = judging.status(phase)
end

return woolly.tool {
  about = "May this be released: five gates, regression, documentation and version; one page",
  help = "Runs phase1.lua to phase4.lua (with --all_phases), final_acceptance.lua and\n"
    .. "regression.lua, looks at documentation and version, and writes the evidence as one page.\n"
    .. "Interrupted or killed, the same command goes on with what is missing.",
  params = campaign.params {
    model = { default = "synth:110m-q4_0", help = "model under test" },
    duration = { default = 3600.0, help = "seconds of the stability test" },
    all_phases = { type = "boolean", help = "the gates of all phases, not of the last alone" },
    baseline = { default = "stable", help = "regression: stable, a run, a pin or a file" },
    output = { default = "release_readiness.md", help = "the page; - writes none" },
  },
  run = function(p)
    campaign.check_gate(p)
    local started = clock.utc()
    local one = { name = "release_readiness", title = "Release readiness", gate = "phase5", p = p,
                  notes = acceptance.notes(p), parts = parts_of(p) }
    local results, key = campaign.run(one)
    complete_phase4(results)
    local found = { started = started, parts = {}, regression = regression(p),
                    checks = evidence.checks(files, process) }
    for i, part in ipairs(one.parts) do
      found.parts[i] = evidence.part(part.name, results[part.name])
    end
    found.status = evidence.status(found)
    campaign.close(one, key, started, found.status)
    local page = evidence.page(found, require("woolly.machine").info(),
                               require("woolly.engine").build_info())
    if p.output ~= "-" then woolly.must(process.write_file(p.output, page)) end
    common.print(p, { status = found.status, parts = json.array(found.parts),
                      regression = found.regression, checks = json.array(found.checks) },
                 page:gsub("\n$", "") .. (p.output ~= "-" and "\nwritten to " .. p.output or ""))
    return found.status
  end,
}

local common = require "woolly.common"
local compare = require "woolly.compare"
local json = require "woolly.json"
local outputs = require "woolly.outputs"
local report = require "woolly.report.json"
local stored = require "woolly.stored"
local text = require "woolly.report.text"
local woolly = require "woolly"

local params = {
  store = { default = "woolly.db", help = "where the runs are kept" },
  compare = { type = "string", help = "a saved report or a stored run to compare with" },
  json = common.json_param,
}
for _, option in ipairs(outputs.OPTIONS) do
  params[option.name] = { type = option.type, help = option.help }
end

return woolly.tool {
  about = "Writes a kept run as JUnit, Markdown, HTML, CSV or OpenMetrics; measures nothing",
  help = "RUN is an id, a pin, last, or a file that --save or --json wrote.",
  arguments = "[RUN]",
  params = params,
  run = function(p)
    local document = stored.document(p.arguments[1] or "last", p.store, "report.lua")
    local compared
    if p.compare then
      local other = stored.document(p.compare, p.store, "--compare")
      local reason = compare.refusal(document, other)
      compared = { name = p.compare, reason = reason,
                   lines = not reason and compare.run(document, other) or nil }
    end
    if outputs.write(p, document, compared) then return 0 end
    local is_file = p.arguments[1] and require("woolly.process").exists(p.arguments[1])
    local shown = text.render(document, { kept = not is_file and p.store or p.arguments[1] })
    common.print(p, report.for_json(document, json), (shown:gsub("\n$", "")))
    return 0
  end,
}

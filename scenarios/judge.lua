local common = require "woolly.common"
local files = require "woolly.files"
local json = require "woolly.json"
local judging = require "woolly.judging"
local numeric = require "woolly.numeric"
local report = require "woolly.report.json"
local stats = require "woolly.stats"
local store = require "woolly.store"
local text = require "woolly.report.text"
local woolly = require "woolly"

return woolly.tool {
  about = "Judges a stored run again, by a gate as it stands now; measures nothing",
  params = {
    run = { default = "last", help = "run: id, unique prefix of one, last, or a pin's name" },
    gate = { type = "string", required = true, help = "gate: a name in gates/ or a file" },
    store = { default = "woolly.db", help = "where the runs are kept" },
    json = common.json_param,
  },
  run = function(p)
    stats.accelerate(numeric)
    local wanted = files.gate(p.gate)
    local kept <close> = woolly.must(store.open(p.store, { read_only = true }))
    local document = report.from_json(woolly.must(kept:report(p.run)), json.null)
    judging.apply(document, wanted.name, wanted.gate)
    document.status = judging.status(document)
    common.print(p, report.for_json(document, json),
                 (text.render(document, { kept = kept:path() }):gsub("\n$", "")))
    return document.status
  end,
}

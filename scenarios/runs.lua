local common = require "woolly.common"
local json = require "woolly.json"
local report = require "woolly.report.json"
local store = require "woolly.store"
local text = require "woolly.report.text"
local woolly = require "woolly"

local actions = {}

function actions.list(p, kept)
  local rows = woolly.must(kept:list { scenario = p.scenario, preset = p.preset,
                                       limit = p.limit })
  local lines = { string.format("%-26s  %-24s  %-28s  %-9s  %-12s  %s", "run", "started",
                                "scenario", "status", "verdict", "model") }
  for i, row in ipairs(rows) do
    lines[i + 1] = string.format("%-26s  %-24s  %-28s  %-9s  %-12s  %s", row.id, row.started,
                                 row.scenario .. (row.preset and " " .. row.preset or ""),
                                 row.status, row.verdict or "-", row.model_name or "-")
  end
  if #rows == 0 then lines[2] = "no runs kept in " .. kept:path() end
  common.print(p, { runs = json.array(rows) }, table.concat(lines, "\n"))
end

function actions.show(p, kept, which)
  local document = report.from_json(woolly.must(kept:report(which or "last")), json.null)
  common.print(p, report.for_json(document, json),
               (text.render(document, { kept = kept:path() }):gsub("\n$", "")))
end

function actions.tag(_, kept, which, pair)
  local key, value = (pair or ""):match("^([^=]+)=(.*)$")
  if not key then woolly.fail("usage: woolly-lua runs.lua tag RUN KEY=VALUE") end
  woolly.must(kept:tag(which, key, value))
end

function actions.pin(_, kept, name, which)
  if not name then woolly.fail("usage: woolly-lua runs.lua pin NAME [RUN]") end
  woolly.must(kept:pin(name, which or "last"))
end

local WRITES <const> = { tag = true, pin = true }

return woolly.tool {
  about = "Lists and shows kept runs; tags and pins them",
  arguments = "[list | show [RUN] | tag RUN KEY=VALUE | pin NAME [RUN]]",
  params = {
    store = { default = "woolly.db", help = "where the runs are kept" },
    scenario = { type = "string", help = "list: only runs of this scenario" },
    preset = { type = "string", help = "list: only runs with this preset" },
    limit = { default = 20, help = "list: newest runs to show" },
    json = common.json_param,
  },
  run = function(p)
    local name = p.arguments[1] or "list"
    local action = actions[name]
    if not action then
      woolly.fail(string.format("unknown word '%s', allowed: list, show, tag, pin", name))
    end
    local kept <close> = woolly.must(store.open(p.store, { read_only = not WRITES[name] }))
    action(p, kept, p.arguments[2], p.arguments[3])
  end,
}

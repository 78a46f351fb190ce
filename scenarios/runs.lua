local common = require "woolly.common"
local exchange = require "woolly.exchange"
local imports = require "woolly.imports"
local json = require "woolly.json"
local report = require "woolly.report.json"
local store = require "woolly.store"
local text = require "woolly.report.text"
local woolly = require "woolly"

local actions = {}

function actions.list(p, kept)
  local rows = woolly.must(kept:list { scenario = p.scenario, preset = p.preset,
                                       limit = p.limit or 20 })
  local lines = { string.format("%-26s  %-24s  %-28s  %-9s  %-12s  %s", "run", "started",
                                "scenario", "status", "verdict", "model") }
  for i, row in ipairs(rows) do
    lines[i + 1] = string.format("%-26s  %-24s  %-28s  %-9s  %-12s  %s", row.id, row.started,
                                 row.scenario .. (row.preset and " " .. row.preset or ""),
                                 row.status, row.verdict or "-", row.model_name or "-")
  end
  if #rows == 0 then lines[2] = "no runs kept in " .. kept:path() end
  common.print(p, { runs = json.array(rows) }, common.lines(lines))
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

function actions.export(p, kept)
  local which = table.move(p.arguments, 2, #p.arguments, 1, {})
  if #which == 0 then
    local rows = woolly.must(kept:list { scenario = p.scenario, preset = p.preset,
                                         limit = p.limit or 1000000 })
    for i, row in ipairs(rows) do which[#rows - i + 1] = row.id end -- oldest first
  end
  local n = exchange.export(kept, which, p.output)
  if p.output ~= "-" then io.write(string.format("%d runs written to %s\n", n, p.output)) end
end

actions["import"] = function(p, kept, path)
  if not path then woolly.fail("usage: woolly-lua runs.lua import FILE [--format F]") end
  local found = exchange.import(kept, path, { format = p.format, metric = p.metric, date = p.date,
                                              scenario = p.scenario })
  local lines = { string.format("%d runs imported from %s (%s), %d were there already", found.new,
                                path, found.format, found.known) }
  table.move(found.notes, 1, #found.notes, 2, lines)
  common.print(p, { imported = found.new, known = found.known, format = found.format,
                    notes = json.array(found.notes) }, table.concat(lines, "\n"))
end

local WRITES <const> = { tag = true, pin = true, ["import"] = true }

return woolly.tool {
  about = "Lists and shows kept runs; tags, pins, exports and imports them",
  help = "import takes what export wrote, llama-bench -o json, k6 --summary-export, or lines of a\n"
    .. "date and a value (CSV, --metric names it). A run that is there already stays as it is.",
  arguments = "[list | show [RUN] | tag RUN KEY=VALUE | pin NAME [RUN] | export [RUN ...] | "
    .. "import FILE]",
  params = {
    store = { default = "woolly.db", help = "where the runs are kept" },
    scenario = { type = "string",
                 help = "list, export: only runs of this scenario; import: its name (CSV, k6)" },
    preset = { type = "string", help = "list, export: only runs with this preset" },
    limit = { type = "integer", help = "list, export: newest runs (list: 20)" },
    output = { default = "-", help = "export: file of JSON lines (- is stdout)" },
    format = { default = "auto", choices = imports.FORMATS, help = "import: what the file is" },
    metric = { type = "string", help = "import: what the values of a CSV are" },
    date = { type = "string", help = "import: when k6 ran; its summary does not say" },
    json = common.json_param,
  },
  run = function(p)
    local name = p.arguments[1] or "list"
    local action = actions[name]
    if not action then
      woolly.fail(string.format("unknown word '%s', allowed: list, show, tag, pin, export, import",
                                name))
    end
    local kept <close> = woolly.must(store.open(p.store, { read_only = not WRITES[name] }))
    action(p, kept, p.arguments[2], p.arguments[3])
  end,
}

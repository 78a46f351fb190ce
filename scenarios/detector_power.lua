local common = require "woolly.common"
local engine = require "woolly.engine"
local json = require "woolly.json"
local live = require "woolly.power_live"
local models = require "woolly.models"
local numeric = require "woolly.numeric"
local power = require "woolly.power"
local progress = require "woolly.progress"
local stats = require "woolly.stats"
local woolly = require "woolly"

local QUICK <const>, FULL <const> = 100, 1000
local FULL_TRIES <const> = 20

-- Group, its heading, its columns: key and name.
local GROUPS <const> = {
  { "stable", "False alarms on stable histories", power.false_alarms,
    { { "alarm", "any alarm" }, { "confirmed", "confirmed point" }, { "drift", "drift" },
      { "runs", "3 new runs" }, { "weak", "listed as weak" } } },
  { "step", "A step after 40 stable runs is found", power.steps,
    { { "runs", "3 new runs" }, { "strict", "tolerance 0" }, { "point2", "point, 2 runs" },
      { "point3", "3 runs" }, { "point5", "5 runs" }, { "point15", "15 runs" },
      { "confirmed5", "confirmed, 5" }, { "confirmed15", "confirmed, 15" } } },
  { "pairs", "A against B, noise 2 %", power.pairs,
    { { "found", "difference" }, { "same", "same" } } },
  { "gate", "A limit at the truth passes", power.gates, { { "pass", "passes" } } },
  { "drift", "A drift of 0.2 % a run is found", power.drifts,
    { { "found", "found" }, { "wrong", "without one" } } },
  { "engine", "The engine slowed down on purpose", nil,
    { { "pairs", "10 pairs" }, { "runs", "3 new runs" } } },
}

local function table_lines(rows)
  local lines = {}
  for _, group in ipairs(GROUPS) do
    local key, title, _, columns = table.unpack(group)
    local names, rules = {}, {}
    for i, column in ipairs(columns) do names[i], rules[i] = column[2], "--: |" end
    local before = #lines
    for _, row in ipairs(rows) do
      if row.group == key then
        if #lines == before then
          lines[#lines + 1] = string.format("| %s | histories | %s | goal |", title,
                                            table.concat(names, " | "))
          lines[#lines + 1] = "| --- | --: | " .. table.concat(rules, " ") .. " --- |"
        end
        local cells = {}
        for i, column in ipairs(columns) do
          local share = row.cells[column[1]]
          cells[i] = share and string.format("%.1f %%", 100 * share) or "-"
        end
        lines[#lines + 1] = string.format("| %s | %d | %s | %s |", row.case, row.n,
          table.concat(cells, " | "),
          row.goal and row.goal .. (row.met and ": met" or ": NOT MET") or "")
      end
    end
    if #lines > before then lines[#lines + 1] = "" end
  end
  lines[#lines] = nil
  return lines
end

return woolly.tool {
  about = "Shows how often the detectors raise false alarms and how much they find, by simulation",
  help = "The tables of docs/measuring.md. Simulated histories are the same on every machine; with "
    .. "--tries the\nembedded engine is slowed down on purpose (its faults) and has to be caught.",
  params = {
    full = { default = false, help = "1,000 histories each and 20 tries: about a minute" },
    series = { type = "integer", help = "histories each; default 100" },
    tries = { default = 0, help = "tries with the engine itself" },
    model = { default = "bundled:stories260K", help = "model of those tries" },
    json = common.json_param,
  },
  run = function(p)
    stats.accelerate(numeric)
    local n = p.series or p.full and FULL or QUICK
    local tries = p.tries ~= 0 and p.tries or p.full and FULL_TRIES or 0
    if n < 10 or n > 1000000 then woolly.fail("--series: allowed are 10..1000000") end
    if tries < 0 or tries > 1000 then woolly.fail("--tries: allowed are 0..1000") end
    local line = progress.new { quiet = p.quiet }
    local rows = {}
    for i, group in ipairs(GROUPS) do
      line:share(group[2], i - 1, #GROUPS)
      for _, row in ipairs(group[3] and group[3](n) or {}) do rows[#rows + 1] = row end
    end
    if tries > 0 then
      local model <close> = woolly.must(engine.load(models.resolve(p.model)))
      for _, row in ipairs(live.rows(model, tries)) do rows[#rows + 1] = row end
    end
    line:clear()
    local status = 0
    for _, row in ipairs(rows) do
      if row.goal and not row.met then status = 1 end
    end
    common.print(p, { schema = "woolly-detector-power/1", rows = json.array(rows) },
                 table.concat(table_lines(rows), "\n"))
    return status
  end,
}

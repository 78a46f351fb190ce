--- A report as CSV: a row a metric, for spreadsheets and data frames. RFC 4180. Pure.
local words = require "woolly.report.words"

local csv = {}

csv.COLUMNS = { "run", "started", "scenario", "target", "preset", "model", "machine", "commit",
                "metric", "unit", "better", "n", "median", "low", "high", "confidence", "roof",
                "verdict", "limit", "reason" }

--- All digits that a figure has.
---@param value number
---@return string
function csv.number(value) return string.format("%.10g", value) end

--- A cell. A spreadsheet takes texts that begin with = + - @ for formulas: they get a ' in front.
---@param value any
---@return string
function csv.cell(value)
  if value == nil then return "" end
  if type(value) == "number" then return string.format("%.10g", value) end
  local text = words.clean(value)
  if text:find("^%s*[=+%-@|]") then text = "'" .. text end
  if text:find('[",;]') then text = '"' .. text:gsub('"', '""') .. '"' end
  return text
end

local function line(cells)
  local out = {}
  for i = 1, #csv.COLUMNS do out[i] = csv.cell(cells[i]) end
  return table.concat(out, ",") .. "\r\n"
end

--- The file.
---@param document table
---@return string
function csv.render(document)
  local run, limits = document.run, words.limits(document)
  local out = { table.concat(csv.COLUMNS, ",") .. "\r\n" }
  for _, metric in ipairs(document.metrics) do
    for _, limit in ipairs(limits[metric.name] or { {} }) do
      local bound = limit.bound and words.limit(limit, csv.number)
      out[#out + 1] = line { run.id, run.started, run.scenario, run.target, run.preset,
        (document.model or {}).name, document.machine.fingerprint, run.commit, metric.name,
        metric.unit, metric.better, metric.n, metric.median, metric.low, metric.high,
        metric.confidence, metric.roof, limit.verdict, bound, limit.reason or metric.reason }
    end
  end
  return table.concat(out)
end

return csv

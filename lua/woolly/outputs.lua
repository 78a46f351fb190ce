--- Writes a report in the forms that were asked for beside the text: files for other programs,
--- annotations for GitHub.
local failure = require "woolly.failure"

local outputs = {}

--- The options, for scenarios and for report.lua, in the order of --help.
outputs.OPTIONS = {
  { name = "junit", type = "string", value = "FILE", help = "write JUnit XML: a test a limit" },
  { name = "html", type = "string", value = "FILE", help = "write the run as one HTML page" },
  { name = "markdown", type = "string", value = "FILE",
    help = "write Markdown, with --compare the comparison: for a pull request" },
  { name = "csv", type = "string", value = "FILE", help = "write CSV: a row a metric" },
  { name = "openmetrics", type = "string", value = "FILE.prom",
    help = "write OpenMetrics text for the node exporter's textfile collector" },
  { name = "github", type = "boolean",
    help = "annotations on standard output, a summary in $GITHUB_STEP_SUMMARY" },
}

local function seconds_of(started)
  local y, mo, d, h, mi, s = tostring(started):match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not y then return nil end
  local days = os.time { year = y, month = mo, day = d, hour = 12 }
    - os.time { year = 1970, month = 1, day = 1, hour = 12 }
  return math.floor(days / 86400 + 0.5) * 86400 + h * 3600 + mi * 60 + s
end

local renderers = {
  junit = function(document) return require("woolly.report.junit").render(document) end,
  html = function(document)
    return require("woolly.report.html").render(document, require "woolly.dashboard.assets")
  end,
  markdown = function(document, compared)
    return require("woolly.report.markdown").render(document, compared)
  end,
  csv = function(document) return require("woolly.report.csv").render(document) end,
  openmetrics = function(document)
    return require("woolly.report.openmetrics").render(document,
                                                       seconds_of(document.run.started))
  end,
}

--- Appends to the job's summary, which earlier steps may have begun.
local function summarise(document, compared)
  local process = require "woolly.process"
  local path = process.env "GITHUB_STEP_SUMMARY"
  if not path or path == "" then return end
  local file, message = io.open(path, "ab")
  if not file then failure.raise("GITHUB_STEP_SUMMARY: " .. tostring(message), "environment") end
  file:write(renderers.markdown(document, compared), "\n")
  file:close()
end

--- Writes what the options ask for. "-" is standard output.
---@param values table     of the options
---@param document table   woolly-report/1 with its status
---@param compared? {name: string, lines?: woolly.Comparison[], reason?: string}
---@return boolean printed   standard output is taken
function outputs.write(values, document, compared)
  local process, printed = require "woolly.process", false
  for _, option in ipairs(outputs.OPTIONS) do
    local path = values[option.name]
    if path and renderers[option.name] then
      failure.must(process.write_file(path, renderers[option.name](document, compared)))
      printed = printed or path == "-"
    end
  end
  if values.github then
    local lines = require("woolly.report.github").annotations(document, compared)
    if #lines > 0 and not printed and values.json ~= "-" then
      io.write(table.concat(lines, "\n"), "\n")
    end
    summarise(document, compared)
  end
  return printed
end

return outputs

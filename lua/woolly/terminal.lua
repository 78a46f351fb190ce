--- What the result block and the line of progress show to a person at a terminal.
local gate    = require "woolly.gate"
local history = require "woolly.history"
local metrics = require "woolly.metrics"
local text    = require "woolly.report.text"

local terminal = {}

local MOST_EARLIER <const>, LEAST_EARLIER <const> = 12, 3
local LOOKED_THROUGH <const> = 200 -- newest runs of the scenario
local NARROW <const>, WIDE <const> = 60, 140
local MOST_SAMPLES <const> = 1000 -- an estimate between two runs must cost nothing

local function env(name) return require("woolly.process").env(name) or "" end

--- Does the terminal show more than ASCII?
---@return boolean
function terminal.is_utf8()
  local locale = env "LC_ALL"
  if locale == "" then locale = env "LC_CTYPE" end
  if locale == "" then locale = env "LANG" end
  return locale:lower():find("utf%-?8") ~= nil
end

-- Medians of the runs like this one, itself included, by metric; the store says what is alike.
local function earlier(keep, document)
  local found = keep and keep:history { scenario = document.run.scenario, limit = LOOKED_THROUGH }
  local own
  for _, row in ipairs(found and found.rows or {}) do
    if row.id == document.run.id then own = row end
  end
  if not own then return nil end
  local out = {}
  for name, series in pairs(history.alike(found, own).series) do
    local values = series.value
    if #values > LEAST_EARLIER then
      out[name] = table.move(values, math.max(1, #values - MOST_EARLIER), #values, 1, {})
    end
  end
  return out
end

--- How text.render is to draw a result here.
---@param values table      of the options
---@param keep? woolly.store.Store
---@param document table
---@param kept? string      where the run is kept
---@return table
function terminal.options(values, keep, document, kept)
  local process = require "woolly.process"
  local is_terminal = process.isatty(1)
  local shows_history = is_terminal or values.verbose
  return {
    kept = kept, verbose = values.verbose, utf8 = terminal.is_utf8(),
    color = is_terminal and env "NO_COLOR" == "" and env "TERM" ~= "dumb",
    width = is_terminal and math.max(NARROW, math.min(WIDE, process.columns())) or nil,
    history = shows_history and earlier(keep, document) or nil,
  }
end

--- "  tokens_per_second 41.8 [41.1, 42.3]" of the first metric that has samples; "" when none has.
---@param names? string[]
---@param measured table<string, woolly.Measured>
---@return string
function terminal.so_far(names, measured)
  for _, name in ipairs(names or {}) do
    local samples = (measured[name] or {}).samples or {}
    if #samples > 1 and #samples <= MOST_SAMPLES then
      local median, low, high = gate.estimate(samples, "median", metrics.all[name].exact)
      return string.format("  %s %s [%s, %s]", name, text.number(median),
                           text.number(low or median), text.number(high or median))
    end
  end
  return ""
end

return terminal

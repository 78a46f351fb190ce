--- GitHub's workflow commands: one annotation a limit that does not pass, a check that failed, a
--- metric that got worse. Pure.
local text  = require "woolly.report.text"
local words = require "woolly.report.words"

local github = {}

local MOST <const> = 10 -- GitHub shows as many of a kind and step

--- The data of a command: its own escapes and no line ends.
---@param value any
---@return string
function github.escape(value)
  return (words.clean(value):gsub("%%", "%%25"):gsub("\r", "%%0D"):gsub("\n", "%%0A"))
end

local function property(value)
  return (github.escape(value):gsub(":", "%%3A"):gsub(",", "%%2C"))
end

local function annotation(level, title, message)
  return string.format("::%s title=%s::%s", level, property(title), github.escape(message))
end

local function limit_message(limit)
  local found = limit.value and type(limit.value) == "number"
    and "found " .. text.number(limit.value) or "not measured"
  if limit.value and limit.low and limit.high and limit.low ~= limit.high then
    found = string.format("%s [%s, %s]", found, text.number(limit.low), text.number(limit.high))
  end
  return string.format("%s: %s, limit %s%s", limit.metric, found,
                       words.limit(limit, text.number),
                       limit.reason and " (" .. limit.reason .. ")" or "")
end

--- Lines for standard output; empty when all is well.
---@param document table
---@param compared? {name: string, lines?: woolly.Comparison[]}
---@return string[]
function github.annotations(document, compared)
  local errors, warnings = {}, {}
  local subject = words.subject(document)
  for _, check in ipairs(document.checks or {}) do
    if not check.ok then
      errors[#errors + 1] = annotation("error", subject, string.format(
        "check %s: found %s, wanted %s", check.what, check.found, check.wanted))
    end
  end
  for _, limit in ipairs(document.gate and document.gate.limits or {}) do
    if limit.verdict == "fail" then
      errors[#errors + 1] = annotation("error", subject, limit_message(limit))
    elseif limit.verdict ~= "pass" then
      warnings[#warnings + 1] = annotation("warning", subject, limit_message(limit))
    end
  end
  for _, line in ipairs(compared and compared.lines or {}) do
    if line.verdict == "worse" then
      errors[#errors + 1] = annotation("error", subject, string.format(
        "%s got worse than %s: %.3f x [%.3f, %.3f]", line.metric, compared.name, line.ratio or 0,
        line.low or 0, line.high or 0))
    end
  end
  local out = {}
  for _, list in ipairs { errors, warnings } do
    for i = 1, math.min(#list, MOST) do out[#out + 1] = list[i] end
    if #list > MOST then
      out[#out + 1] = annotation("notice", subject, string.format("%d more of these", #list - MOST))
    end
  end
  return out
end

return github

--- JUnit XML of a report: one test case a check and a limit. What was not measured or is undecided
--- is an error: only what passes is green. Pure.
local text  = require "woolly.report.text"
local words = require "woolly.report.words"

local junit = {}

local ENTITIES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
                           ["'"] = "&apos;" }

--- For an attribute or an element: no characters that XML 1.0 forbids.
---@param value any
---@return string
function junit.escape(value)
  local cleaned = words.clean(value):gsub("[&<>\"']", ENTITIES)
  return (cleaned:gsub("\239\191[\190\191]", "?"))
end

local function case(out, class, name, kind, type, message)
  local head = string.format('    <testcase classname="%s" name="%s"', junit.escape(class),
                             junit.escape(name))
  if not kind then
    out[#out + 1] = head .. "/>"
    return
  end
  out[#out + 1] = string.format('%s>\n      <%s type="%s" message="%s"/>\n    </testcase>', head,
                                kind, junit.escape(type), junit.escape(message))
end

local function found_text(limit)
  if not limit.value then return limit.reason or "not measured" end
  local shown = type(limit.value) == "number" and text.number(limit.value) or tostring(limit.value)
  if limit.low and limit.high and limit.low ~= limit.high then
    shown = string.format("%s [%s, %s]", shown, text.number(limit.low), text.number(limit.high))
  end
  return string.format("found %s, wanted %s%s", shown, words.limit(limit, text.number),
                       limit.reason and ": " .. limit.reason or "")
end

--- The file.
---@param document table   woolly-report/1
---@return string
function junit.render(document)
  local run, out = document.run, {}
  local counts = { failure = 0, error = 0 }
  local scenario = run.scenario
  local function add(class, name, kind, type, message)
    if kind then counts[kind] = counts[kind] + 1 end
    case(out, class, name, kind, type, message)
  end
  for _, check in ipairs(document.checks or {}) do
    add(scenario .. ".checks", check.what, not check.ok and "failure" or nil, "check",
        string.format("found %s, wanted %s", check.found, check.wanted))
  end
  for _, limit in ipairs(document.gate and document.gate.limits or {}) do
    local kind = limit.verdict == "fail" and "failure" or limit.verdict ~= "pass" and "error" or nil
    add(scenario .. "." .. document.gate.name, limit.metric .. " "
        .. words.limit(limit, text.number), kind, limit.verdict, found_text(limit))
  end
  if run.status == "partial" then
    add(scenario, "ran to its end", "error", "partial", "it was cut short")
  elseif #out == 0 then
    add(scenario, "ran to its end")
  end
  local seconds = 0.0
  for _, one in ipairs(document.repetitions or {}) do
    seconds = seconds + (one.wall_ns or 0) / 1e9
  end
  local properties = {}
  for _, pair in ipairs { { "run", run.id }, { "target", run.target }, { "preset", run.preset },
                          { "commit", run.commit }, { "model", (document.model or {}).name },
                          { "machine", document.machine.fingerprint },
                          { "disturbed", run.disturbed } } do
    if pair[2] then
      properties[#properties + 1] = string.format('      <property name="%s" value="%s"/>\n',
                                                  pair[1], junit.escape(pair[2]))
    end
  end
  return string.format('<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
    .. '  <testsuite name="%s" tests="%d" failures="%d" errors="%d" skipped="0" '
    .. 'time="%.3f" timestamp="%s">\n'
    .. '    <properties>\n%s    </properties>\n%s\n  </testsuite>\n</testsuites>\n',
    junit.escape(words.subject(document)), #out, counts.failure, counts.error,
    seconds, junit.escape((run.started or ""):gsub("%.%d+Z$", "")), table.concat(properties),
    table.concat(out, "\n"))
end

return junit

local common = require "woolly.common"
local counters = require "woolly.counters"
local process = require "woolly.process"
local woolly = require "woolly"

local USUAL <const> = { "task-clock", "cycles", "instructions", "cache-references", "cache-misses",
                        "branch-misses", "page-faults", "context-switches" }

--- The words in front of the first "--", options left out, and those behind it.
local function split(arguments)
  local n_behind = 0
  for i, word in ipairs(arg) do
    if word == "--" then
      n_behind = #arg - i
      break
    end
  end
  local n_events = #arguments - n_behind
  return table.move(arguments, 1, n_events, 1, {}),
         table.move(arguments, n_events + 1, #arguments, 1, {})
end

local function list(p, patterns)
  local rows, lines = {}, {}
  if #patterns == 0 then patterns = { "*" } end
  for _, pattern in ipairs(patterns) do
    for _, event in ipairs(counters.list(pattern)) do
      event.available, event.reason = counters.available(event.name)
      rows[#rows + 1] = event
      lines[#lines + 1] = string.format("%s %-44s %-10s %s", event.available and "+" or "-",
                                        event.name, event.kind, event.about)
    end
  end
  lines[#lines + 1] = string.format("%d events; + can be counted here, - cannot", #rows)
  common.print(p, { events = rows }, table.concat(lines, "\n"))
  return 0
end

--- Runs the scenario in a process of its own, which inherits the counters.
local function count(p, events, words)
  local group, message = counters.open(events, { inherit = true })
  if not group then woolly.fail(message, "unavailable") end
  local _ <close> = group
  woolly.must(group:start())
  local result = woolly.must(process.run { "/proc/self/exe", table.unpack(words) })
  woolly.must(group:stop())
  local reading = woolly.must(group:read())
  local lines = {}
  for i, event in ipairs(events) do
    local value = reading.values[event]
    lines[i] = value and string.format("  %-28s %18d", event, value)
      or string.format("  %-28s %18s  %s", event, "missing", reading.missing[event])
  end
  if p.json ~= "-" then io.write(result.out) end
  process.stderr(result.err)
  common.print(p, { events = reading.values, missing = reading.missing, status = result.status,
                    running = reading.running, command = table.concat(words, " ") },
               "counted over the whole process:\n" .. table.concat(lines, "\n"))
  return result.status
end

return woolly.tool {
  about = "Counts events of processor and kernel over a scenario, or lists what can be counted",
  arguments = "EVENT... -- SCENARIO [options] | --list [PATTERN...]",
  params = {
    list = { default = false, help = "list events by part of the name or pattern" },
    json = common.json_param,
  },
  run = function(p)
    local events, words = split(p.arguments)
    if p.list then return list(p, events) end
    if #words == 0 then
      woolly.fail("usage: woolly-lua counters.lua EVENT... -- SCENARIO [options], or --list")
    end
    return count(p, #events > 0 and events or USUAL, words)
  end,
}

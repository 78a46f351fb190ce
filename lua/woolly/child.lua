--- Scripts run in fresh processes of this program (or of another build of it), and what they print
--- as JSON.
local failure = require "woolly.failure"
local suggest = require "woolly.suggest"

local child = {}

local THIS <const> = "/proc/self/exe"
-- What a scenario may end with and still have a report worth reading.
local LAST_REPORT <const> = 2
local CODES <const> = { "check", "unavailable", "input", "environment" }

--- Options of a tool passed on to a script: those of `names` that have a value.
---@param p woolly.Values
---@param names string[]
---@return string[] words
function child.options(p, names)
  local words = {}
  for _, name in ipairs(names) do
    local value = p[name]
    if type(value) == "table" then value = table.concat(value, ",") end
    if value ~= nil and value ~= false then
      words[#words + 1] = value == true and "--" .. name
        or string.format("--%s=%s", name, tostring(value))
    end
  end
  return words
end

--- "simd=false,threads=2": the reverse of options.switches.
---@param switches? table<string, any>
---@return string?
function child.switches(switches)
  local parts = {}
  for _, name in ipairs(suggest.keys(switches or {})) do
    parts[#parts + 1] = name .. "=" .. tostring(switches[name])
  end
  return #parts > 0 and table.concat(parts, ",") or nil
end

--- Runs a script and waits. Raises when it cannot be started; Ctrl-C ends both.
---@param words string[]   script and its options
---@param program? string  default: this program
---@return {status: integer, out: string, err: string}
function child.run(words, program)
  local argv = table.move(words, 1, #words, 2, { program or THIS })
  return failure.must(require("woolly.process").run(argv))
end

--- The same with --json -: the document. A script that could not measure ends this one with its
--- message and status.
---@param words string[]
---@param program? string
---@return table document
---@return integer status
function child.document(words, program)
  local argv = table.move({ "--json", "-" }, 1, 2, #words + 1,
                          table.move(words, 1, #words, 1, {}))
  local result = child.run(argv, program)
  local name = (words[1]:match("([^/]+)$") or words[1])
  if result.status > LAST_REPORT then
    local said = result.err:gsub("^woolly: ", ""):gsub("%s+$", "")
    failure.raise(string.format("%s: %s", name, said ~= "" and said
      or "ended with status " .. result.status), CODES[result.status] or "bug")
  end
  local json = require "woolly.json"
  local document, message = json.decode(result.out, name)
  if not document then
    local said = result.err:gsub("%s+$", "")
    failure.raise(string.format("%s: %s", name, said ~= "" and said or message), "check")
  end
  document = require("woolly.report.json").from_json(document, json.null)
  if type(document) == "table" and document.schema == "woolly-error/1" then
    failure.raise(string.format("%s: %s", name, document.error), CODES[document.status] or "bug")
  end
  return document, result.status
end

return child

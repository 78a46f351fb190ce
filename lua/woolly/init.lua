--- The words a scenario uses. Declaring checks the form and does nothing else.
local failure = require "woolly.failure"
local suggest = require "woolly.suggest"

local woolly = {}

local SCENARIO_KEYS <const> = {
  about = "string", help = "string", title = "string", gate = "string", needs = "string",
  helpers = "boolean", model = "model", preset = "string", warmup = "number", runs = "number",
  params = "table", metrics = "table", rounds = "table", setup = "function", check = "function",
  measure = "function", finish = "function", notes = "function", tables = "function",
  target = "string",
}
local PHASE_KEYS <const> = { about = "string", help = "string", title = "string", gate = "string",
                             tests = "table", model = "model", preset = "string",
                             params = "table", missing = "table" }
local TOOL_KEYS <const> = { about = "string", help = "string", params = "table",
                            arguments = "string", model = "boolean", run = "function" }

-- The caller's line is gone: `return woolly.scenario {...}` is a tail call. The file is known.
local function refuse(format, ...)
  error((woolly.script and woolly.script .. ": " or "") .. string.format(format, ...), 0)
end

local function declare(kind, definition, keys, required)
  if type(definition) ~= "table" then refuse("%s: a table is required", kind) end
  for key, value in pairs(definition) do
    local wanted = keys[key]
    if not wanted then
      refuse("%s: unknown key '%s'%s", kind, tostring(key),
             suggest.hint(tostring(key), suggest.keys(keys)))
    end
    local found = type(value)
    if wanted == "model" then
      if found ~= "string" and value ~= false then
        refuse("%s: %s is a %s, a string or false is required", kind, key, found)
      end
    elseif found ~= wanted then
      refuse("%s: %s is a %s, a %s is required", kind, key, found, wanted)
    end
  end
  for _, key in ipairs(required) do
    if definition[key] == nil then refuse("%s: %s is required", kind, key) end
  end
  for name, param in pairs(definition.params or {}) do
    if type(param) ~= "table" or type(param.help) ~= "string" then
      refuse("%s: params.%s: a table with help is required", kind, tostring(name))
    end
  end
  return setmetatable(definition, { __name = "woolly." .. kind, kind = kind })
end

function woolly.scenario(definition)
  return declare("scenario", definition, SCENARIO_KEYS, { "about", "measure" })
end

function woolly.phase(definition)
  return declare("phase", definition, PHASE_KEYS, { "about", "gate", "tests" })
end

function woolly.tool(definition)
  return declare("tool", definition, TOOL_KEYS, { "about", "run" })
end

--- "scenario", "phase", "tool", or nil for anything else.
---@return string?
function woolly.kind(definition)
  local mt = type(definition) == "table" and getmetatable(definition)
  return mt and mt.kind
end

woolly.fail = failure.raise
woolly.must = failure.must

function woolly.model(p, options)
  return require("woolly.session").model(p, options)
end

function woolly.context(model, p, options)
  return require("woolly.session").context(model, p, options)
end

function woolly.target(p)
  return require("woolly.session").target(p)
end

return woolly

--- The tools that the server offers over MCP: the validator's own, each a run of this program.
local json = require "woolly.json"
local process = require "woolly.process"

local tools = {}

local PROGRAM <const> = "/proc/self/exe"
local NAME <const> = "^[%w_][%w_%-]*$" -- of a scenario; no path

local function schema(properties, required)
  return { type = "object", properties = properties, required = json.array(required or {}) }
end

local function run(words)
  local result, message = process.run(words)
  if not result then return message, true end
  local text = result.out
  if result.status > 2 or text == "" then text = text .. result.err end
  return text, result.status > 2
end

local definitions = {
  list_scenarios = {
    about = "Every scenario with one line about it",
    schema = schema {},
    run = function() return run { PROGRAM, "--list" } end,
  },
  describe_scenario = {
    about = "A scenario's options, metrics and gate",
    schema = schema({ name = { type = "string" } }, { "name" }),
    run = function(a) return run { PROGRAM, a.name .. ".lua", "--help" } end,
  },
  run_scenario = {
    about = "Runs a scenario and returns its report as JSON",
    schema = schema({ name = { type = "string" }, model = { type = "string" },
                      timeout_s = { type = "number" } }, { "name" }),
    run = function(a, p)
      local words = { PROGRAM, a.name .. ".lua", "--quiet", "--json", "-", "--timeout",
                      tostring(math.min(a.timeout_s or 120, 600)), "--store", p.store }
      if a.model then table.move({ "--model", a.model }, 1, 2, #words + 1, words) end
      return run(words)
    end,
  },
  list_runs = {
    about = "The newest runs that are kept, with their verdicts",
    schema = schema { scenario = { type = "string" }, limit = { type = "integer" } },
    run = function(a, p)
      local words = { PROGRAM, "runs.lua", "list", "--json", "-", "--store", p.store, "--limit",
                      tostring(a.limit or 20) }
      if a.scenario then table.move({ "--scenario", a.scenario }, 1, 2, #words + 1, words) end
      return run(words)
    end,
  },
  show_run = {
    about = "The report of one kept run: metrics, limits, verdicts",
    schema = schema { run = { type = "string" } },
    run = function(a, p)
      return run { PROGRAM, "runs.lua", "show", a.run or "last", "--json", "-", "--store", p.store }
    end,
  },
}

local TYPES <const> = { string = "string", number = "number", integer = "number" }

--- Why the arguments are refused, or nil. Texts become words of a command line: none may begin
--- like an option.
local function refusal(definition, arguments)
  for name, value in pairs(arguments) do
    local property = definition.schema.properties[name]
    if not property then return "unknown argument " .. tostring(name) end
    if type(value) ~= TYPES[property.type] then
      return name .. ": a " .. property.type .. " is required"
    elseif property.type == "integer" and not math.tointeger(value) then
      return name .. ": a whole number is required"
    end
    if type(value) == "string" and (value:sub(1, 1) == "-" or value:find("%c")) then
      return name .. ": it may not begin with - or hold control characters"
    end
    if (name == "name" or name == "scenario") and not value:match(NAME) then
      return name .. ": the name of a scenario is required"
    end
  end
  for _, name in ipairs(definition.schema.required) do
    if arguments[name] == nil then return name .. ": it is required" end
  end
end

--- What MCP's tools/list says.
---@return table[]
function tools.list()
  local found = {}
  for name, definition in pairs(definitions) do
    found[#found + 1] = { name = name, description = definition.about,
                          inputSchema = definition.schema }
  end
  table.sort(found, function(a, b) return a.name < b.name end)
  return found
end

--- Runs a tool.
---@param name string
---@param arguments table?
---@param p woolly.Values   store: where the runs are kept
---@return string text, boolean is_error
function tools.call(name, arguments, p)
  local definition = definitions[name]
  if not definition then return "there is no tool " .. name, true end
  local why = refusal(definition, arguments or {})
  if why then return why, true end
  return definition.run(arguments or {}, p)
end

return tools

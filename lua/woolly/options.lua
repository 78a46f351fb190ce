--- The options of scenarios and tools: what they are called, what they take, parsing. Pure.
local failure = require "woolly.failure"
local outputs = require "woolly.outputs"
local suggest = require "woolly.suggest"

local options = {}

---@class woolly.OptionSpec
---@field name string
---@field type "string"|"number"|"integer"|"boolean"|"list"|"tags"
---@field help string
---@field value? string     placeholder in --help
---@field default? any
---@field least? number
---@field most? number
---@field choices? string[]

--- What every scenario understands, in the order of --help.
options.scenario = {
  { name = "model", type = "string", value = "FILE|synth:SHAPE-TYPE|bundled:NAME",
    help = "model under test" },
  { name = "preset", type = "string", value = "p0..p5", help = "engine switches of a phase" },
  { name = "switches", type = "string", value = "LIST",
    help = "changes to the preset: simd=off,pool=on,weight_cache_mb=64,backend=avx2" },
  { name = "threads", type = "list", value = "1,2,4", help = "worker threads", least = 1,
    most = 256 },
  { name = "target", type = "string", value = "native|openai|llama_cpp|null|faulty",
    help = "what is measured", default = "native" },
  { name = "faults", type = "string", value = "LIST",
    help = "with --target faulty: sleep=OPERATION:US,allocate=N,leak=BYTES,skip=SHARE,"
      .. "corrupt=SIZE,drift=SHARE,throttle=SHARE" },
  { name = "url", type = "string", value = "URL",
    help = "server to drive: http://HOST:PORT, where a scenario would start one of ours" },
  { name = "gate", type = "string", value = "NAME|FILE", help = "limits to judge by" },
  { name = "config", type = "string", value = "FILE.json",
    help = "the plan's JSON: its performance_gates are the gate" },
  { name = "runs", type = "integer", value = "N", least = 1, most = 100000,
    help = "repetitions; when not given, more are taken while a limit is undecided" },
  { name = "warmup", type = "integer", value = "N", least = 0, most = 1000,
    help = "repetitions thrown away first" },
  { name = "duration", type = "number", value = "S", least = 0, most = 1e7,
    help = "repeat for at least so many seconds" },
  { name = "timeout", type = "number", value = "S", least = 0.01, most = 1e7,
    help = "stop after so many seconds, keeping what was measured" },
  { name = "seed", type = "integer", value = "N", default = 1, least = 0, most = 1 << 53,
    help = "seed of everything random" },
  { name = "save", type = "string", value = "FILE.json", help = "keep the report as a baseline" },
  { name = "compare", type = "string", value = "FILE|RUN",
    help = "compare with a saved report or a stored run" },
  { name = "baseline", type = "string", value = "stable|yesterday|RUN|FILE",
    help = "is it slower than runs like it before? (regression.lua also runs suspects again)" },
  { name = "store", type = "string", value = "URL|none", default = "woolly.db",
    help = "SQLite file that keeps the run" },
  { name = "tag", type = "tags", value = "K=V", help = "label of the run; may be repeated" },
  { name = "json", type = "string", value = "FILE|-", help = "write the report as JSON" },
  table.unpack(outputs.OPTIONS),
}
table.move({ -- last, as in every --help
  { name = "quiet", type = "boolean", help = "no progress, only the result" },
  { name = "verbose", type = "boolean",
    help = "also the checks, counts of samples, and the history where no terminal is" },
  { name = "dry-run", type = "boolean", help = "say what would be done, measure nothing" },
  { name = "help", type = "boolean", help = "this text" },
}, 1, 4, #options.scenario + 1, options.scenario)

--- What tools understand beside their own.
options.tool = {
  { name = "timeout", type = "number", value = "S", least = 0.01, most = 1e7,
    help = "stop after so many seconds" },
  { name = "quiet", type = "boolean", help = "no progress" },
  { name = "help", type = "boolean", help = "this text" },
}

--- Options that the design names and this version does not have.
local LATER <const> = { window = true }

local PARAM_TYPES <const> = { string = "string", boolean = "boolean", number = "number" }

--- A scenario's params as option specs, sorted by name.
---@param params? table<string, woolly.Param>
---@return woolly.OptionSpec[]
function options.from_params(params)
  local specs = {}
  for _, name in ipairs(suggest.keys(params or {})) do
    local param = params[name]
    local kind = param.type or math.type(param.default) == "integer" and "integer"
      or PARAM_TYPES[type(param.default)] or "string"
    specs[#specs + 1] = { name = name, type = kind, help = param.help, default = param.default,
                          choices = param.choices, required = param.required,
                          value = kind:upper() }
  end
  return specs
end

local function convert_number(spec, text)
  local value = tonumber(text)
  if spec.type == "integer" then value = value and math.tointeger(value) end
  if not value or value ~= value or math.abs(value) == math.huge then
    failure.raise(string.format("--%s: found '%s', %s is required", spec.name, text,
      spec.type == "integer" and "a whole number" or "a number"))
  end
  if spec.least and value < spec.least or spec.most and value > spec.most then
    failure.raise(string.format("--%s: %s is out of range, allowed %g..%g", spec.name, text,
                                spec.least or -math.huge, spec.most or math.huge))
  end
  return value
end

local function convert(spec, text, before)
  if spec.type == "number" or spec.type == "integer" then return convert_number(spec, text) end
  if spec.type == "list" then
    local list = {}
    for item in (text .. ","):gmatch("([^,]*),") do
      local integer = { name = spec.name, type = "integer", least = spec.least, most = spec.most }
      list[#list + 1] = convert_number(integer, item)
    end
    return list
  end
  if spec.type == "tags" then
    local key, value = text:match("^([^=]+)=(.*)$")
    if not key then
      failure.raise(string.format("--%s: found '%s', KEY=VALUE is required", spec.name, text))
    end
    before = before or {}
    before[key] = value
    return before
  end
  if spec.choices then
    for _, choice in ipairs(spec.choices) do
      if choice == text then return text end
    end
    failure.raise(string.format("--%s: unknown value '%s', allowed: %s%s", spec.name, text,
      table.concat(spec.choices, ", "), suggest.hint(text, { table.unpack(spec.choices) })))
  end
  return text
end

local BOOLEANS <const> = { on = true, off = false, ["true"] = true, ["false"] = false, yes = true,
                           no = false, ["1"] = true, ["0"] = false }

local function unknown(name, by_name)
  if LATER[name] then
    failure.raise(string.format("--%s: not in this version. Run without it", name))
  end
  local names = {}
  for known in pairs(by_name) do names[#names + 1] = "--" .. known end
  failure.raise(string.format("unknown option --%s%s. --help lists the options", name,
                              suggest.hint("--" .. name, names)))
end

--- Reads the words behind the script's name.
---@param words string[]
---@param specs woolly.OptionSpec[]
---@return table<string, any> values    defaults filled in; `given[name]` tells what was set
---@return string[] positional
---@return table<string, boolean> given
function options.parse(words, specs)
  local by_name, values, positional, given = {}, {}, {}, {}
  for _, spec in ipairs(specs) do
    by_name[spec.name] = spec
    values[spec.name] = spec.default
  end
  local i = 1
  while i <= #words do
    local word = words[i]
    i = i + 1
    local name, text = word:match("^%-%-([^=]+)=(.*)$")
    name = name or word:match("^%-%-(.+)$") or (word == "-h" and "help")
    if word == "--" then
      table.move(words, i, #words, #positional + 1, positional)
      break
    elseif not name then
      if word:match("^%-.") and not tonumber(word) then unknown(word:gsub("^%-+", ""), by_name) end
      positional[#positional + 1] = word
    else
      -- The plan writes --dry_run as well as --dry-run.
      local spec = by_name[name] or by_name[(name:gsub("_", "-"))] or by_name[(name:gsub("-", "_"))]
      if not spec then unknown(name, by_name) end
      if spec.type == "boolean" then
        local value = text == nil or BOOLEANS[text]
        if value == nil then
          failure.raise(string.format("--%s: found '%s', on or off is required", name, text))
        end
        values[spec.name] = value
      else
        if text == nil then
          text = words[i]
          i = i + 1
        end
        if text == nil then
          failure.raise(string.format("--%s: a value is required: %s", name, spec.value or ""))
        end
        values[spec.name] = convert(spec, text, given[spec.name] and values[spec.name])
      end
      given[spec.name] = true
    end
  end
  for _, spec in ipairs(specs) do
    if spec.required and values[spec.name] == nil and not values.help then
      failure.raise(string.format("--%s is required: %s", spec.name, spec.help))
    end
  end
  return values, positional, given
end

--- "simd=off,weight_cache_mb=64" as a table for model:context.
---@param text? string
---@return table<string, any>
function options.switches(text)
  local switches = {}
  for item in ((text or "") .. ","):gmatch("([^,]*),") do
    local name, value = item:match("^%s*([%w_]+)%s*=%s*(.-)%s*$")
    if item:match("%S") and not name then
      failure.raise(string.format("--switches: found '%s', NAME=VALUE is required", item))
    elseif name then
      local switch = BOOLEANS[value]
      if switch == nil or tonumber(value) and name:match("_mb$") or name == "threads" then
        switch = tonumber(value) or value
      end
      switches[name] = switch
    end
  end
  return switches
end

return options

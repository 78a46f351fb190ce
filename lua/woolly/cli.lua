--- The command line: finds the script, runs it, turns errors into a line and an exit status.
local failure = require "woolly.failure"
local files   = require "woolly.files"
local options = require "woolly.options"
local suggest = require "woolly.suggest"
local woolly  = require "woolly"

local cli = {}

local USAGE <const> = [[
woolly-lua measures an LLM inference engine and judges it by a gate.

usage: woolly-lua [host options] SCRIPT[.lua] [script options]

  woolly-lua phase1.lua                 measure phase 1 and judge it
  woolly-lua phase1.lua --help          options, metrics and gate of a script
  woolly-lua --list                     every script, one line each
  woolly-lua judge.lua --run last --gate phase1
                                        judge stored samples again, measure nothing

SCRIPT is a path, or a name in ./scenarios or among the installed scenarios.

Host options
  --list                      list the scripts
  --version                   version, commit and compiler of this build
  --help                      this text
  --memory-mb N               memory cap of the script (Lua only)
  --lua-dir FOLDER            read the woolly modules from here instead of the built-in ones

Exit status: 0 passed, 1 a limit failed, 2 could not judge, 3 bad input, 4 environment (disk,
permission), 5 a bug of woolly-lua, 130/143 interrupted with the partial results kept.
]]

local HOST_OPTIONS <const> = { "list", "version", "help", "memory-mb", "lua-dir" }

local function process() return require "woolly.process" end

-- ---- what a script declares, run ----

local function run_tool(tool, name, words)
  local help, models = require "woolly.help", require "woolly.models"
  local own = options.from_params(tool.params)
  if tool.model then
    table.insert(own, 1, { name = "model", type = "string", required = true,
                           value = "FILE|synth:SHAPE-TYPE|bundled:NAME", help = "the model" })
  end
  local specs = table.move(options.tool, 1, #options.tool, #own + 1,
                           table.move(own, 1, #own, 1, {}))
  local values, positional = options.parse(words, specs)
  if values.help then
    io.write(help.render(name, tool, own, options.tool))
    return 0
  end
  if positional[1] and not tool.arguments then
    failure.raise(string.format("unexpected word '%s'. %s.lua --help lists the options",
                                positional[1], name))
  end
  if values.timeout then process().deadline(values.timeout) end
  values.arguments = positional
  if tool.model then values.model = models.resolve(values.model, values.quiet) end
  return tool.run(values) or 0
end

local function run_unit(unit, name, path, words)
  local plan = require "woolly.plan"
  local made, help_text = plan.make(unit, name, path, words)
  if not made then
    io.write(help_text)
    return 0
  end
  if made.values["dry-run"] then
    io.write(plan.describe(made))
    return 0
  end
  return require("woolly.runner").run(made)
end

local function run_script(spec, words)
  local path = files.script(spec)
  local name = files.stem(path)
  rawset(_G, "arg", table.move(words, 1, #words, 1, { [0] = path }))
  local unit = files.load_script(path, table.unpack(words))
  local kind = woolly.kind(unit)
  if kind == "tool" then return run_tool(unit, name, words) end
  if kind then return run_unit(unit, name, path, words) end
  if unit == nil then return 0 end -- a plain script that did its work
  if math.type(unit) == "integer" then return unit end
  failure.raise(string.format("%s: returned a %s. A script returns woolly.scenario{}, "
    .. "woolly.phase{}, woolly.tool{}, an exit status or nothing", path, type(unit)))
end

-- ---- the program's own options ----

local function list()
  local lines, width = {}, 0
  local found = files.scenarios()
  for _, entry in ipairs(found) do width = math.max(width, #entry.name) end
  for _, entry in ipairs(found) do
    local ok, unit = pcall(files.load_script, entry.path)
    local about = ok and woolly.kind(unit) and unit.about
      or "cannot be loaded: " .. tostring(unit):gsub("%c", " ")
    lines[#lines + 1] = string.format("%-" .. width .. "s  %s\n", entry.name, about)
  end
  io.write(table.concat(lines))
  return 0
end

local function version()
  local info = require("woolly.engine").build_info()
  io.write(string.format("woolly-lua %s%s, %s, %s%s\n", info.version,
    info.commit ~= "" and " (" .. info.commit .. ")" or "", info.compiler, info.build_type,
    info.sanitizers ~= "" and ", sanitizers " .. info.sanitizers or ""))
  return 0
end

local function main(argv)
  local first = argv[1]
  if first == nil then
    io.write(USAGE)
    return 3
  end
  if first == "--help" or first == "-h" then
    io.write(USAGE)
    return 0
  end
  if first == "--list" then return list() end
  if first == "--version" then return version() end
  if first:sub(1, 1) == "-" then
    failure.raise(string.format("unknown option %s%s in front of the script. woolly-lua --help "
      .. "lists them", first, suggest.hint(first:gsub("^%-+", ""), { table.unpack(HOST_OPTIONS) })))
  end
  return run_script(first, table.move(argv, 2, #argv, 1, {}))
end

-- ---- errors ----

--- One line for people; the --json file tells of it too, unless it holds a report.
local function fail(argv, message, status, reported)
  process().stderr("woolly: " .. message .. "\n")
  if reported then return status end
  local path
  for i, word in ipairs(argv) do
    path = word:match("^%-%-json=(.+)$") or word == "--json" and argv[i + 1] or path
  end
  if path then
    local document = { schema = "woolly-error/1", error = message, status = status }
    pcall(process().write_file, path, require("woolly.json").encode(document) .. "\n")
  end
  return status
end

---@param argv string[]   [0] the program, [1] .. the words
---@return integer status
function cli.main(argv)
  local traced = process().env "WOOLLY_TRACE" == "1"
  local function call(...)
    if not traced then return main(...) end
    local results = table.pack(xpcall(main, function(value)
      if failure.is(value) then return value end
      return debug.traceback(tostring(value), 2)
    end, ...))
    if not results[1] then error(results[2], 0) end
    return table.unpack(results, 2, results.n)
  end
  local ok, value, reason, reported = process().guard(call, argv)
  if ok then
    if reason then return fail(argv, reason, value, reported) end -- status, message
    return value
  end
  local message, status = failure.describe(value)
  if traced and not failure.is(value) then message = tostring(value) end
  if reason == "memory" then error(value, 0) end
  if reason == "interrupted" or failure.is(value) and value.code == "cancelled"
     and process().interrupted() then
    message, status = "interrupted", 128 + (process().signal() or 2)
  elseif reason == "timeout" then
    status = 3
  end
  return fail(argv, message, status)
end

return cli

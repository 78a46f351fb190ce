--- Where scripts and gates are looked for, and how they are loaded.
local config  = require "woolly.config"
local failure = require "woolly.failure"
local gate    = require "woolly.gate"
local strict  = require "woolly.strict"
local suggest = require "woolly.suggest"
local woolly  = require "woolly"

local files = {}

local MAX_SOURCE <const> = 1 << 20

local function process() return require "woolly.process" end

--- Folder of a path, "." when it names none.
---@param path string
---@return string
function files.folder(path)
  return path:match("^(.*)/[^/]*$") or "."
end

--- "scenarios/phase1.lua" -> "phase1"
---@param path string
---@return string
function files.stem(path)
  return (path:match("([^/]+)$") or path):gsub("%.%w+$", "")
end

--- Folders that may hold `kind` ("scenarios" or "gates"), in the order they are looked in.
---@param kind string
---@param beside? string   folder of the script
---@return string[]
function files.folders(kind, beside)
  local list = { kind }
  if beside then list[#list + 1] = beside .. "/../" .. kind end
  for _, root in ipairs { process().share_folder, process().source_folder } do
    if root ~= "" then list[#list + 1] = root .. "/" .. kind end
  end
  return list
end

local function names_in(folders, extension)
  local names, seen = {}, {}
  for _, folder in ipairs(folders) do
    for _, file in ipairs(process().list_folder(folder) or {}) do
      local name = file:match("^(.+)%." .. extension .. "$")
      if name and not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  table.sort(names)
  return names
end

local function is_file(path)
  return process().exists(path) and not process().list_folder(path)
end

--- The path of a file that was named as a path, or by name in one of the folders.
local function find(spec, what, folders, extensions)
  local tries = {}
  for _, extension in ipairs(extensions) do
    for _, folder in ipairs { "", table.unpack(folders) } do
      if folder == "" or not spec:find("/", 1, true) then
        tries[#tries + 1] = (folder == "" and "" or folder .. "/") .. spec .. extension
      end
    end
  end
  for _, path in ipairs(tries) do
    if is_file(path) then return path end
  end
  failure.raise(string.format("%s: %s: no such file, here or in %s%s", what, spec,
    table.concat(folders, ", "), suggest.hint(files.stem(spec), names_in(folders, "lua"))))
end

---@param spec string   a path, or a name in one of the scenario folders
---@return string path
function files.script(spec)
  local extensions = spec:match("%.lua$") and { "" } or { ".lua", "" }
  return find(spec, "script", files.folders("scenarios"), extensions)
end

--- Runs a script file in an environment that refuses accidental globals.
---@param path string
---@return any definition   what it returned
function files.load_script(path, ...)
  local source = failure.must(process().read_file(path, MAX_SOURCE))
  if source:sub(1, 1) == "#" then source = source:gsub("^[^\n]*", "", 1) end
  local chunk, message = load(source, "@" .. path, "t", strict.environment(path))
  if not chunk then failure.raise(message) end
  woolly.script = path -- for messages of what it declares
  return chunk(...)
end

--- Every scenario that can be named: name and path, sorted; the first folder wins.
---@return {name: string, path: string}[]
function files.scenarios()
  local list, folders = {}, files.folders("scenarios")
  for _, name in ipairs(names_in(folders, "lua")) do
    for _, folder in ipairs(folders) do
      local path = folder .. "/" .. name .. ".lua"
      if is_file(path) then
        list[#list + 1] = { name = name, path = path }
        break
      end
    end
  end
  return list
end

-- All problems in one line: one message is the promise, and mending them all at once the wish.
local function refuse(problems)
  if #problems > 0 then failure.raise(table.concat(problems, "; ")) end
end

--- The plan's JSON as a gate; nil when it has no performance_gates.
---@param path string
---@return woolly.GateFile? gate
function files.config(path)
  local text = failure.must(process().read_file(path))
  local document = failure.must(require("woolly.json").decode(text, path))
  local limits, problems = config.read(document, path)
  refuse(problems)
  return limits and { name = files.stem(path), path = path, gate = limits } or nil
end

-- What a file of data returns: no library, no names, a step and a memory limit.
local function load_data(path)
  local text = failure.must(process().read_file(path, MAX_SOURCE))
  local loaded, message, code = require("woolly.data").load(text, path)
  if loaded == nil and message then failure.raise(message, code) end
  return loaded
end

--- A table of data in gates/ that is no gate: "trajectory".
---@param spec string
---@param beside? string
---@return table data
---@return string path
function files.data(spec, beside)
  local extensions = spec:match("%.%w+$") and { "" } or { ".lua" }
  local path = find(spec, "data", files.folders("gates", beside), extensions)
  local loaded = load_data(path)
  if type(loaded) ~= "table" then
    failure.raise(string.format("%s: found %s, a table is required", path, type(loaded)))
  end
  return loaded, path
end

---@class woolly.GateFile
---@field name string
---@field path string
---@field gate table

--- Loads a gate by name or path and checks its form.
---@param spec string      "phase1", "my/gate.lua", "config.json"
---@param beside? string   folder of the script, whose ../gates is looked in too
---@return woolly.GateFile
function files.gate(spec, beside)
  local extensions = spec:match("%.%w+$") and { "" } or { ".lua", ".json" }
  local path = find(spec, "gate", files.folders("gates", beside), extensions)
  if path:match("%.json$") then
    local found = files.config(path)
    if not found then
      failure.raise(path .. ": no performance_gates, a gate needs at least one limit")
    end
    return found
  end
  local loaded = load_data(path)
  refuse(gate.problems(loaded, path))
  return { name = files.stem(path), path = path, gate = loaded }
end

return files

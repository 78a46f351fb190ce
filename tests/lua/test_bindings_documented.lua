-- Every function of a C module is in its meta file and in docs/reference.md, and the other way.
local tap = require "tap"

local source = os.getenv("WOOLLY_SOURCE") or "."

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

--- Binding files by module: lib_engine.c and lib_engine_model.c are both "engine".
local function binding_files()
  local modules = {}
  local list = assert(io.popen("ls '" .. source .. "'/src/host/lib_*.c"))
  for path in list:lines() do
    local module = path:match("lib_(%l+)[%w_]*%.c$")
    modules[module] = modules[module] or {}
    table.insert(modules[module], path)
  end
  list:close()
  return modules
end

--- Names in the luaL_Reg tables of a C file.
local function registered(text)
  local names = {}
  for body in text:gmatch("luaL_Reg%s+[%w_]+%[%]%s*=%s*(%b{})") do
    for name in body:gmatch('{%s*"([%w_]+)"%s*,') do names[name] = true end
  end
  return names
end

--- Names that a meta file declares: functions of the module and methods of its classes.
local function declared(text)
  local names = {}
  for name in text:gmatch("\nfunction%s+[%w_]+[.:]([%w_]+)%s*%(") do names[name] = true end
  return names
end

local function sorted(set)
  local list = {}
  for key in pairs(set) do list[#list + 1] = key end
  table.sort(list)
  return list
end

local function missing(from, into)
  local list = {}
  for _, name in ipairs(sorted(from)) do
    if not into[name] then list[#list + 1] = name end
  end
  return table.concat(list, " ")
end

local modules = binding_files()
local page = assert(read(source .. "/docs/reference.md"), "docs/reference.md")

for _, module in ipairs(sorted(modules)) do
  local in_c = {}
  for _, path in ipairs(modules[module]) do
    for name in pairs(registered(assert(read(path)))) do in_c[name] = true end
  end
  local meta = read(source .. "/lua/woolly/meta/" .. module .. ".lua")

  tap.test("woolly." .. module .. " registers functions and has a meta file", function()
    tap.truthy(next(in_c), "functions")
    tap.truthy(meta, "meta file")
  end)

  tap.test("woolly." .. module .. ": C tables and meta file name the same functions", function()
    local in_meta = declared(meta)
    tap.equal(missing(in_c, in_meta), "", "only in C")
    tap.equal(missing(in_meta, in_c), "", "only in the meta file")
  end)

  local sentence = "woolly." .. module .. ": docs/reference.md names every function"
  tap.test(sentence, function()
    local words = {}
    for word in page:gmatch("[%w_]+") do words[word] = true end
    tap.equal(missing(in_c, words), "", "not in docs/reference.md")
  end)
end

tap.done()

--- docs/reference.md is what .ci/reference.lua makes of the meta files, and these say of every
--- public function what it takes and gives. That C has these functions: test_bindings_documented.
local meta_files = require "meta_files"
local reference = require "reference"
local tap = require "tap"

local source = os.getenv "WOOLLY_SOURCE" or "."

local function read(path)
  local file = assert(io.open(source .. "/" .. path, "rb"))
  local text = file:read "a"
  file:close()
  return text
end

local modules = meta_files.all(source)
local examples = meta_files.names(source .. "/docs/examples")

tap.test("docs/reference.md is up to date: lua5.4 .ci/reference.lua", function()
  tap.truthy(read "docs/reference.md" == reference.render(modules, examples), "the same text")
end)

for _, module in ipairs(modules) do
  tap.test(module.name .. ": every function, parameter and result is described", function()
    tap.truthy(module.text ~= "", "a sentence about the module")
    tap.truthy(module.functions[1], "functions")
    for _, f in ipairs(module.functions) do
      tap.truthy(#f.text > 4, f.name .. ": a sentence")
      local described = {}
      for i, value in ipairs(f.params) do described[i] = value.name end
      tap.equal(table.concat(described, ", "), table.concat(f.arguments, ", "), f.name)
    end
  end)
  tap.test(module.name .. " has an example of its name", function()
    local name = module.name:match "%l+$" .. ".lua"
    tap.contains(" " .. table.concat(examples, " ") .. " ", " " .. name .. " ")
  end)
end

tap.test("the words written in Lua take what their meta files say", function()
  local recorder = require "woolly.recorder"
  local owners = { woolly = require "woolly", roofs = require "woolly.roofs",
                   work = require "woolly.work",
                   Recorder = getmetatable(recorder.new()).__index,
                   Check = getmetatable(recorder.check()).__index }
  local n = 0
  for _, module in ipairs(modules) do
    for _, f in ipairs(module.functions) do
      local owner = owners[f.owner]
      if owner then
        local real = owner[f.name:match "[%w_]+$"]
        tap.equal(type(real), "function", f.name)
        local info = debug.getinfo(real, "u")
        local own = f.name:find(":", 1, true) and 1 or 0
        tap.truthy(info.isvararg or info.nparams == #f.arguments + own,
                   f.name .. ": takes " .. info.nparams - own)
        n = n + 1
      end
    end
  end
  tap.truthy(n >= 25, "words: " .. n)
end)

tap.done()

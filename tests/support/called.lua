--- Notes which public functions a script calls itself: "engine.load", "Model:info", one a line in
--- the file $WOOLLY_CALLED. cli/test_examples.lua loads it in front of woolly.cli.
local MODULES <const> = { "clock", "counters", "data", "engine", "http", "json", "kernels",
                          "machine", "numeric", "process", "roofline", "roofs", "server", "store",
                          "work" }
local names, noted = {}, {}

local function add(prefix, functions)
  for name, f in pairs(functions) do
    if type(f) == "function" then names[f] = prefix .. name end
  end
end

for _, module in ipairs(MODULES) do add(module .. ".", require("woolly." .. module)) end
add("woolly.", require "woolly")
for key, mt in pairs(debug.getregistry()) do
  local class = type(key) == "string" and key:match "^woolly%..*%.(%u%w*)$"
  if class and type(mt.__index) == "table" then add(class .. ":", mt.__index) end
end
local recorder = require "woolly.recorder"
add("Recorder:", getmetatable(recorder.new()).__index)
add("Check:", getmetatable(recorder.check()).__index)

local out = assert(io.open(os.getenv "WOOLLY_CALLED", "a"))
out:setvbuf "line"

-- A target's class is its module's own: known by where its functions come from.
local function name_of(callee)
  if names[callee.func] then return names[callee.func] end
  local method = callee.name
  if callee.source:find "woolly/targets/" and (method == "info" or method == "generate"
                                               or method == "close") then
    return "Target:" .. method
  end
end

debug.sethook(function(event)
  local callee = debug.getinfo(2, "fnS")
  local name = name_of(callee)
  if not name or noted[name] then return end
  local caller = debug.getinfo(3, "S")
  -- `return woolly.scenario {...}`: a tail call's caller is gone. Only scripts use these words.
  local is_declaration = event == "tail call" and name:find "^woolly%."
  if is_declaration or caller and caller.source:find "docs/examples/" then
    noted[name] = true
    out:write(name, "\n")
  end
end, "c")

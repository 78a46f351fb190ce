local process = require "woolly.process"
local templates = require "woolly.templates"
local woolly = require "woolly"

local function write(path, text, p)
  if process.exists(path) and not p.force then
    woolly.fail(path .. ": it is there already; --force replaces it")
  end
  woolly.must(process.write_file(path, text))
  io.write("wrote ", path, "\n")
end

return woolly.tool {
  about = "Writes a commented scenario and its gate to begin with: new scenario NAME",
  arguments = "scenario NAME",
  params = {
    about = { default = "Decode and prompt rates", help = "one line about it" },
    force = { default = false, help = "replace files that are there" },
  },
  run = function(p)
    local kind, name = p.arguments[1], p.arguments[2]
    if kind ~= "scenario" or not name or p.arguments[3] then
      woolly.fail("usage: woolly-lua new scenario NAME")
    end
    name = name:gsub("%.lua$", "")
    if not name:match("^[%a_][%w_]*$") then
      woolly.fail(string.format("NAME: found '%s', letters, digits and _ are required", name))
    end
    if p.about:find("[%c\"\\]") then
      woolly.fail("--about: no quotes, backslashes or control characters")
    end
    write(name .. ".lua", templates.fill("scenario", name, p.about), p)
    write(name .. "_gate.lua", templates.fill("gate", name, p.about), p)
    io.write(string.format("run it: woolly-lua %s.lua --gate %s_gate.lua\n", name, name))
  end,
}

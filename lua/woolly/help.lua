--- The text of --help for scenarios, phases and tools. Pure.
local metrics = require "woolly.metrics"

local help = {}

local COLUMN <const> = 30

local function option_line(spec)
  local value = spec.type ~= "boolean" and " " .. (spec.value or spec.type:upper()) or ""
  local left = "  --" .. spec.name .. value
  local text = spec.help
  if spec.choices then text = text .. ": " .. table.concat(spec.choices, ", ") end
  if spec.required then
    text = text .. " (required)"
  elseif spec.default ~= nil and spec.type ~= "boolean" then
    local default = spec.default
    if type(default) == "table" then default = table.concat(default, ",") end
    text = text .. " (default " .. tostring(default) .. ")"
  elseif spec.default == true then
    text = text .. " (on; --" .. spec.name .. "=off)"
  end
  if #left >= COLUMN then return left .. "\n" .. string.rep(" ", COLUMN) .. text end
  return left .. string.rep(" ", COLUMN - #left) .. text
end

local function add_options(lines, title, specs)
  if #specs == 0 then return end
  lines[#lines + 1] = ""
  lines[#lines + 1] = title
  for _, spec in ipairs(specs) do lines[#lines + 1] = option_line(spec) end
end

local BOUNDS <const> = { { "min", ">=" }, { "max", "<=" }, { "equals", "=" } }

local function gate_lines(lines, file)
  lines[#lines + 1] = ""
  lines[#lines + 1] = string.format("Gate %s (%s)", file.name, file.path)
  local names = {}
  for name in pairs(file.gate.limits) do names[#names + 1] = name end
  for _, name in ipairs(metrics.sort(names)) do
    local limit = file.gate.limits[name]
    for _, bound in ipairs(BOUNDS) do
      if limit[bound[1]] ~= nil then
        lines[#lines + 1] = string.format("  %-30s %s %s", name, bound[2],
                                          tostring(limit[bound[1]]))
      end
    end
  end
end

---@param name string
---@param unit table               a declared scenario, phase or tool
---@param own woolly.OptionSpec[]  its params
---@param common woolly.OptionSpec[]
---@param facts? {metrics?: string[], gate?: woolly.GateFile}
---@return string
function help.render(name, unit, own, common, facts)
  local words = unit.arguments and " " .. unit.arguments or ""
  local lines = { unit.about .. ".", "", "usage: woolly-lua " .. name .. ".lua" .. words
                  .. " [options]" }
  if unit.help then table.move({ "", unit.help }, 1, 2, #lines + 1, lines) end
  if unit.tests then
    lines[#lines + 1] = ""
    lines[#lines + 1] = "Tests: " .. table.concat(unit.tests, ", ")
  end
  local measured = facts and facts.metrics or {}
  if #measured > 0 then
    lines[#lines + 1] = ""
    lines[#lines + 1] = "Metrics"
    for _, metric in ipairs(measured) do
      local m = metrics.all[metric]
      lines[#lines + 1] = string.format("  %-30s %s%s", metric,
                                        m.unit ~= "" and m.unit .. ": " or "", m.text)
    end
  end
  if facts and facts.gate then gate_lines(lines, facts.gate) end
  add_options(lines, "Options of this script", own)
  add_options(lines, "Options", common)
  return table.concat(lines, "\n") .. "\n"
end

return help

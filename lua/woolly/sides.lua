--- What A and B of compare.lua mean: a preset, a target, a model, a program, options. Pure
--- but for the question whether a file is there.
local failure = require "woolly.failure"
local options = require "woolly.options"
local suggest = require "woolly.suggest"

local sides = {}

local TARGETS <const> = { native = true, llama_cpp = true, null = true, faulty = true,
                          openai = true }

---@class woolly.Side
---@field label string
---@field program? string          another build of this program
---@field options table<string, any>

--- What one word is: an option's name and value.
local function classify(word, exists)
  if word:match("^p%d+$") then return "preset", word end
  if TARGETS[word] then return "target", word end
  if word:match("^synth:") or word:match("^bundled:") or word:match("%.gguf$") then
    return "model", word
  end
  if word:match("^[%w_]+=[^=]+$") then return "switches", word end
  if word:find("/", 1, true) and exists(word) then return "program", word end
  failure.raise(string.format("'%s' is no preset, target, model (.gguf, synth:, bundled:), switch "
    .. "(simd=off) or program (a path with /)%s", word,
    suggest.hint(word, suggest.keys(TARGETS))))
end

--- Reads one side.
---@param spec string                    "p3", "llama_cpp", "p4 --faults sleep=qkv:20", "./old"
---@param specs woolly.OptionSpec[]      options of side.lua
---@param exists fun(path: string): boolean
---@return woolly.Side
function sides.parse(spec, specs, exists)
  local side, words, value_next = { label = spec, options = {} }, {}, false
  for word in spec:gmatch("%S+") do
    if value_next or word:match("^%-%-") then
      words[#words + 1] = word
      value_next = not value_next and not word:find("=", 1, true)
    else
      local kind, value = classify(word, exists)
      if kind == "program" then
        side.program = value
      elseif kind == "switches" and side.options.switches then
        side.options.switches = side.options.switches .. "," .. value
      else
        side.options[kind] = value
      end
    end
  end
  local values, _, given = options.parse(words, specs)
  for name in pairs(given) do side.options[name] = values[name] end
  if side.options.faults and not side.options.target then side.options.target = "faulty" end
  if next(side.options) == nil and not side.program then
    failure.raise(string.format("'%s': says nothing of a side", spec))
  end
  return side
end

--- The two differ in something?
---@param a woolly.Side
---@param b woolly.Side
---@return boolean
function sides.differ(a, b)
  if a.program ~= b.program then return true end
  for _, pair in ipairs { { a, b }, { b, a } } do
    for name, value in pairs(pair[1].options) do
      local other = pair[2].options[name]
      if type(value) == "table" then value = table.concat(value, ",") end
      if type(other) == "table" then other = table.concat(other, ",") end
      if value ~= other then return true end
    end
  end
  return false
end

return sides

--- The order in which switches are turned on, one step each, from one preset to another. Pure.
local suggest = require "woolly.suggest"

local waterfall = {}

local CACHE <const> = { "weight_cache", "weight_cache_mb" }
-- What goes together is one step; a switch that is not named here comes last, by name.
local ORDER <const> = {
  { "simd", "backend" }, { "pool" }, CACHE, { "fused_matmul" },
  { "fused_attention" }, { "repack" }, { "huge_pages" }, { "key_type", "value_type" },
  { "threads" }, { "tune" }, { "lookup" },
}

---@class woolly.Step
---@field name string
---@field switches woolly.engine.Switches   all of them

local function text_of(key, value)
  if type(value) == "boolean" then return (value and "" or "no ") .. key end
  return key:gsub("_type$", "") .. " " .. tostring(value)
end

local function copy(from)
  local to = {}
  for key, value in pairs(from) do to[key] = value end
  return to
end

-- Sets `keys` in `now` as `wanted` has them; what changed, as text.
local function turn(now, keys, wanted)
  local words = {}
  for _, key in ipairs(keys) do
    if wanted[key] ~= nil and now[key] ~= wanted[key] then
      now[key] = wanted[key]
      words[#words + 1] = text_of(key, now[key])
    end
  end
  return words
end

--- Steps from `start` to `finish`. The weight cache, which fused products make useless, is turned
--- on in its place as `between` has it, and goes with them.
---@param start woolly.engine.Switches
---@param between woolly.engine.Switches
---@param finish woolly.engine.Switches
---@return woolly.Step[] steps   the first is the start, named p0
function waterfall.steps(start, between, finish)
  local now, placed = copy(start), {}
  local steps = { { name = "p0", switches = copy(now) } }
  local function add(words)
    if #words == 0 then return end
    steps[#steps + 1] = { name = "+ " .. table.concat(words, ", "), switches = copy(now) }
  end
  for _, keys in ipairs(ORDER) do
    for _, key in ipairs(keys) do placed[key] = true end
    if keys == CACHE and not now.fused_matmul then
      add(turn(now, keys, between))
    else
      local words = turn(now, keys, finish)
      if keys[1] == "fused_matmul" then
        for _, word in ipairs(turn(now, CACHE, finish)) do words[#words + 1] = word end
      end
      add(words)
    end
  end
  add(turn(now, CACHE, finish)) -- where nothing is fused
  for _, key in ipairs(suggest.keys(finish)) do
    if not placed[key] then add(turn(now, { key }, finish)) end
  end
  return steps
end

return waterfall

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

-- What a switch cannot do without.
local NEEDS <const> = {
  fused_matmul = { "pool" }, repack = { "fused_matmul" }, threads = { "fused_matmul" },
  key_type = { "fused_matmul", "fused_attention" }, tune = { "fused_matmul" },
  value_type = { "fused_matmul", "fused_attention" }, lookup = { "fused_matmul" },
}

-- Adds what `key` needs to the set, recursively; does not add key.
local function add_needs(key, set)
  for _, need in ipairs(NEEDS[key] or {}) do
    if not set[need] then
      set[need] = true
      add_needs(need, set)
    end
  end
end

local function groups_of(finish)
  local groups, placed = table.move(ORDER, 1, #ORDER, 1, {}), {}
  for _, keys in ipairs(ORDER) do
    for _, key in ipairs(keys) do placed[key] = true end
  end
  for _, key in ipairs(suggest.keys(finish)) do
    if not placed[key] then groups[#groups + 1] = { key } end
  end
  return groups
end

local function same(a, b)
  for key, value in pairs(a) do
    if b[key] ~= value then return false end
  end
  return true
end

-- The step with these switches, made at the end of the list when there is none.
local function step_with(steps, switches, name)
  for _, step in ipairs(steps) do
    if same(step.switches, switches) then return step end
  end
  steps[#steps + 1] = { name = name, switches = switches, base = steps[1] }
  return steps[#steps]
end

-- In front of a switch: start with what the switch needs. Also the names of that.
local function base_of(steps, keys, start, finish)
  local needs = {}
  for _, key in ipairs(keys) do add_needs(key, needs) end
  local names = suggest.keys(needs)
  if #names == 0 then return steps[1], nil end
  local switches, text = copy(start), table.concat(names, ", ")
  turn(switches, names, finish)
  return step_with(steps, switches, "+ " .. text), text
end

-- What of `finish` has to go with these keys.
local function dependents(keys, start, finish)
  local gone, list = {}, {}
  for _, key in ipairs(keys) do gone[key] = true end
  for _, key in ipairs(suggest.keys(finish)) do
    local needs = {}
    add_needs(key, needs)
    for _, lost in ipairs(keys) do
      if needs[lost] and not gone[key] and finish[key] ~= start[key] then
        gone[key] = true
        list[#list + 1] = key
      end
    end
  end
  return list
end

---@class woolly.Ablation: woolly.Step
---@field base woolly.Ablation   what it is compared with
---@field gone? string[]         switches that went with it

--- Each switch by itself: turned on in `start` as `finish` has it (with what it cannot do without,
--- which its base then has too), and taken out of `finish` (with what cannot do without it). What
--- both have alike is left out; the weight cache, where `finish` has none, is `between`'s.
---@param start woolly.engine.Switches
---@param between woolly.engine.Switches
---@param finish woolly.engine.Switches
---@return woolly.Ablation[] on    the first is the start itself, named p0
---@return woolly.Ablation[] off   the first is the finish itself
function waterfall.alone(start, between, finish)
  local on = { { name = "p0", switches = copy(start) } }
  local off = { { name = "all", switches = copy(finish) } }
  on[1].base, off[1].base = on[1], off[1]
  for _, keys in ipairs(groups_of(finish)) do
    local differs = #turn(copy(start), keys, finish) > 0
    local wanted = differs and finish or keys == CACHE and between or nil
    if wanted then
      local base, needed = base_of(on, keys, start, finish)
      local with = copy(base.switches)
      local name = "+ " .. table.concat(turn(with, keys, wanted), ", ")
      if needed then name = string.format("%s (on %s)", name, needed) end
      if not same(with, base.switches) then step_with(on, with, name).base = base end
    end
    if differs then
      local without = copy(finish)
      local words = turn(without, keys, start)
      local others = dependents(keys, start, finish)
      turn(without, others, start)
      local name = "- " .. table.concat(words, ", ")
      if #others > 0 then name = string.format("%s, nor what needs it", name) end
      step_with(off, without, name).gone = others
    end
  end
  return on, off
end

return waterfall

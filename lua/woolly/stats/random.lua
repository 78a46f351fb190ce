--- Random numbers that repeat: splitmix64. Integers of Lua 5.4 wrap like uint64.
local random = {}

---@class woolly.stats.Random
---@field state integer
local Random = {}
Random.__index = Random

---@param seed integer
---@return woolly.stats.Random
function random.new(seed)
  return setmetatable({ state = seed }, Random)
end

---@return integer bits   64 of them
function Random:bits()
  self.state = self.state + 0x9E3779B97F4A7C15
  local z = self.state
  z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
  z = (z ~ (z >> 27)) * 0x94D049BB133111EB
  return z ~ (z >> 31)
end

--- Uniform in [0, 1).
---@return number
function Random:uniform()
  return (self:bits() >> 11) * 2.0 ^ -53
end

--- Uniform in 1..n.
---@param n integer
---@return integer
function Random:index(n)
  return math.floor((self:bits() >> 11) * 2.0 ^ -53 * n) + 1
end

--- Standard normal (Box and Muller, one of the two).
---@return number
function Random:normal()
  local radius = math.sqrt(-2 * math.log(1 - self:uniform()))
  return radius * math.cos(2 * math.pi * self:uniform())
end

--- Shuffles list[first..last] in place (Fisher and Yates, from the end).
---@param list any[]
---@param first integer
---@param last integer
function Random:shuffle(list, first, last)
  for i = last, first + 1, -1 do
    local j = first + self:index(i - first + 1) - 1
    list[i], list[j] = list[j], list[i]
  end
end

return random

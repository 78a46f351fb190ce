--- Histogram of integers with a fixed relative error (HDR): percentiles of more samples than one
--- wants to keep. Also puts back the samples that a stalled loop never took.
local histogram = {}

---@class woolly.stats.Histogram
---@field count integer   values recorded
---@field min? integer
---@field max? integer
---@field highest integer
---@field counts table<integer, integer>
local Histogram = {}
Histogram.__index = Histogram

--- Values 0 .. highest; those above are refused.
---@param options {highest: integer, digits?: integer}   digits: significant decimal ones, 1..5, 3
---@return woolly.stats.Histogram
function histogram.new(options)
  local digits, highest = options.digits or 3, math.tointeger(options.highest)
  if not highest or highest < 2 then error("histogram: highest must be an integer above 1", 2) end
  if math.type(digits) ~= "integer" or digits < 1 or digits > 5 then
    error("histogram: digits must be 1..5", 2)
  end
  local half_bits = 0 -- 2^(half_bits + 1) steps resolve 2 * 10^digits values one by one
  while 1 << (half_bits + 1) < 2 * 10 ^ digits do half_bits = half_bits + 1 end
  return setmetatable({ highest = highest, half_bits = half_bits, count = 0, counts = {} },
                      Histogram)
end

local function bits_of(value)
  local bits = 0
  for _, step in ipairs { 32, 16, 8, 4, 2, 1 } do
    if value >> step ~= 0 then value, bits = value >> step, bits + step end
  end
  return bits
end

-- Cells of one power of two are 2^shift wide.
function Histogram:shift_of(value)
  return math.max(0, bits_of(value | 1) - self.half_bits)
end

function Histogram:cell_of(value)
  local shift = self:shift_of(value)
  return (shift << (self.half_bits + 1)) + (value >> shift)
end

-- The largest value of the cell.
function Histogram:top_of(cell)
  local shift = cell >> (self.half_bits + 1)
  local step = cell & ((1 << (self.half_bits + 1)) - 1)
  return ((step + 1) << shift) - 1
end

--- Records a value `times` times.
---@param value integer
---@param times? integer
---@return boolean ok   false: above the highest, or negative; nothing was recorded
function Histogram:record(value, times)
  value, times = math.floor(value), times or 1
  if value < 0 or value > self.highest or times < 1 then return false end
  local cell = self:cell_of(value)
  self.counts[cell] = (self.counts[cell] or 0) + times
  self.count = self.count + times
  if not self.min or value < self.min then self.min = value end
  if not self.max or value > self.max then self.max = value end
  return true
end

--- Records a value of a loop that meant to take one every `interval`: while it waited for this one
--- it left out those that would have waited value - interval, value - 2 interval …
---@param value integer
---@param interval integer
---@return boolean ok
function Histogram:record_corrected(value, interval)
  if not self:record(value) then return false end
  if interval <= 0 then return true end
  local missed = math.floor(value) - interval
  while missed >= interval do
    self:record(missed)
    missed = missed - interval
  end
  return true
end

--- Nearest rank, to the histogram's digits.
---@param percentile number   0..100
---@return integer?
function Histogram:percentile(percentile)
  if self.count == 0 then return nil end
  local rank = math.max(1, math.ceil(percentile / 100 * self.count - 1e-9))
  local seen = 0
  for _, cell in ipairs(self:cells()) do
    seen = seen + self.counts[cell]
    if seen >= rank then return math.min(self:top_of(cell), self.max) end
  end
  return self.max
end

---@return integer[] cells   in the order of their values
function Histogram:cells()
  local cells = {}
  for cell in pairs(self.counts) do cells[#cells + 1] = cell end
  table.sort(cells, function(a, b) return self:top_of(a) < self:top_of(b) end)
  return cells
end

---@return number?
function Histogram:mean()
  if self.count == 0 then return nil end
  local sum = 0.0
  for cell, times in pairs(self.counts) do
    local width = 1 << (cell >> (self.half_bits + 1))
    sum = sum + times * (self:top_of(cell) - (width - 1) / 2)
  end
  return sum / self.count
end

--- Adds the counts of another histogram of the same form.
---@param other woolly.stats.Histogram
function Histogram:merge(other)
  if other.half_bits ~= self.half_bits or other.highest ~= self.highest then
    error("histogram: only one of the same highest and digits can be added", 2)
  end
  for cell, times in pairs(other.counts) do
    self.counts[cell] = (self.counts[cell] or 0) + times
  end
  self.count = self.count + other.count
  if other.count > 0 then
    self.min = math.min(self.min or other.min, other.min)
    self.max = math.max(self.max or other.max, other.max)
  end
end

return histogram

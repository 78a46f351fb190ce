--- Labels for values that lie apart. They are marked and shown, never removed.
local distributions = require "woolly.stats.distributions"
local stats         = require "woolly.stats"

local outliers = {}

--- A modified z-score above this is hyperfine's outlier.
outliers.Z_LIMIT = 14.826

local MAD_TO_SIGMA <const> = 1.4826

--- Indexes beyond 1.5 (mild) and 3 (severe) quartile ranges outside the quartiles.
---@param values number[]
---@return {mild: integer[], severe: integer[]}
function outliers.tukey(values)
  local found = { mild = {}, severe = {} }
  if #values < 5 then return found end
  local sorted = stats.sorted(values)
  local low, high = sorted[math.ceil(#sorted / 4)], sorted[math.ceil(#sorted * 3 / 4)]
  local range = high - low
  for i, value in ipairs(values) do
    local away = math.max(low - value, value - high)
    if away > 3 * range then
      found.severe[#found.severe + 1] = i
    elseif away > 1.5 * range then
      found.mild[#found.mild + 1] = i
    end
  end
  return found
end

--- (value - median) / MAD for each. Where more than half of the values are equal, the MAD is taken
--- as 2^-52, as hyperfine does, so that any other value is far away.
---@param values number[]
---@return number[]
function outliers.modified_z(values)
  if #values == 0 then return {} end
  local center, mad = stats.median(values), stats.mad(values)
  if mad == 0 then mad = 2.0 ^ -52 end
  local scores = {}
  for i, value in ipairs(values) do scores[i] = (value - center) / mad end
  return scores
end

local function critical_value(n, i, alpha)
  local left = n - i + 1
  local t = distributions.t_quantile(1 - alpha / (2 * left), left - 2)
  return (left - 1) * t / math.sqrt((left - 2 + t * t) * left)
end

local function center_and_spread(values, robust)
  if robust then return stats.median(values), MAD_TO_SIGMA * stats.mad(values) end
  local mean, square = stats.mean(values), 0.0
  for _, value in ipairs(values) do square = square + (value - mean) ^ 2 end
  return mean, math.sqrt(square / (#values - 1))
end

---@class woolly.stats.Gesd
---@field count integer        so many of indexes are outliers
---@field indexes integer[]    suspects, most suspicious first
---@field statistics number[]  their signed scores when they were taken out
---@field critical number[]

--- Rosner's generalised extreme studentised deviate test.
---@param values number[]
---@param options? {most?: integer, alpha?: number, robust?: boolean}  10, 0.05; robust: by the MAD
---@return woolly.stats.Gesd?
---@return string? reason   why there is none
function outliers.gesd(values, options)
  options = options or {}
  local most, alpha = options.most or 10, options.alpha or 0.05
  local n = #values
  if most < 1 or most >= n - 1 then
    return nil, string.format("%d values, a search for %d outliers needs %d", n, most, most + 2)
  end
  local found = { count = 0, indexes = {}, statistics = {}, critical = {} }
  local left, where = table.move(values, 1, n, 1, {}), {}
  for i = 1, n do where[i] = i end
  for i = 1, most do
    local center, spread = center_and_spread(left, options.robust)
    if spread == 0 then break end
    local worst, score = 1, 0.0
    for j, value in ipairs(left) do
      local z = (value - center) / spread
      if math.abs(z) > math.abs(score) then worst, score = j, z end
    end
    found.indexes[i], found.statistics[i] = where[worst], score
    found.critical[i] = critical_value(n, i, alpha)
    if math.abs(score) > found.critical[i] then found.count = i end
    table.remove(left, worst)
    table.remove(where, worst)
  end
  return found
end

return outliers

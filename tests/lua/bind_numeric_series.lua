-- The functions behind change points and trends: what they give in C and in Lua is equal, not close.
local tap         = require "tap"
local bootstrap   = require "woolly.stats.bootstrap"
local changepoint = require "woolly.stats.changepoint"
local numeric     = require "woolly.numeric"
local random      = require "woolly.stats.random"
local series      = require "series"
local stats       = require "woolly.stats"
local trend       = require "woolly.stats.trend"

local function flattened(value)
  if math.type(value) == "float" then return string.format("%.17g", value) end
  if type(value) ~= "table" then return tostring(value) end
  local keys, parts = {}, {}
  for key in pairs(value) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  for i, key in ipairs(keys) do parts[i] = tostring(key) .. "=" .. flattened(value[key]) end
  return "{" .. table.concat(parts, " ") .. "}"
end

local function same_in_both(body, ...)
  stats.accelerate {}
  local in_lua = flattened(body(...))
  stats.accelerate(numeric)
  local in_c = flattened(body(...))
  stats.accelerate {}
  tap.equal(in_c, in_lua)
end

local generator = random.new(31)

tap.test("change points of short, long, tied and flat histories", function()
  local tied = {}
  for i, value in ipairs(series.history(generator, 300, 0.05, 0.3, { [100] = 1.2 })) do
    tied[i] = math.floor(value)
  end
  for _, values in ipairs {
    series.history(generator, 2, 0.1), series.history(generator, 37, 0.02, 0.5, { [30] = 0.9 }),
    series.history(generator, 200, 0.03, 0.5, { [60] = 0.9, [61] = 1.1, [150] = 1.3 }),
    series.history(generator, 900, 0.03, 0.2, { [500] = 0.93 }), tied, { 3, 3, 3, 3, 3 },
  } do
    same_in_both(changepoint.detect, values)
    same_in_both(changepoint.hunter, values, { mode = "otava", p = 0.1, window = 30 })
    same_in_both(changepoint.potts, values)
  end
end)

tap.test("permutation tests draw the same permutations", function()
  local values = series.history(generator, 120, 0.02, 0, { [40] = 0.9, [80] = 1.1 })
  same_in_both(changepoint.permutation, values, { seed = 7 })
  for i, value in ipairs(values) do values[i] = math.floor(value) end
  same_in_both(changepoint.permutation, values, { permutations = 39, p = 0.1 })
end)

tap.test("slopes, corrected trends, drift and leaks", function()
  local values, seconds = series.history(generator, 150, 0.02, 0.6), {}
  for i = 1, 150 do seconds[i] = i * 0.5 + i % 3 end
  same_in_both(trend.theil_sen, values)
  same_in_both(trend.theil_sen, values, seconds, 0.8)
  same_in_both(trend.mann_kendall, values, { correction = "hamed_rao" })
  same_in_both(trend.drift, values)
  same_in_both(trend.leak, values, seconds)
end)

tap.test("BCa intervals of medians, means and percentiles", function()
  local values = series.history(generator, 21, 0.02)
  for _, statistic in ipairs { "median", "mean", 25, 90 } do
    same_in_both(bootstrap.bca, values, { statistic = statistic, resamples = 700, seed = 5 })
  end
  same_in_both(bootstrap.bca, { 3.5 })
end)

-- 4,844 values, 117 points published. Each point is a test with 100 random permutations at p 0.01
-- and the first failure ends the search, so the count varies with the permutations drawn (numpy's
-- own give 117 here too, in minutes): the published one must lie among those of a few seeds.
tap.test("sorted copies", function()
  local values = series.history(generator, 2000, 0.1)
  values[7] = values[1000]
  same_in_both(stats.sorted, values)
  same_in_both(stats.sorted, {})
  tap.equal(table.concat(numeric.sort { 3, -1, 2.5 }, " "), "-1.0 2.5 3.0")
  tap.equal(numeric.sort({ 1 / 0, 1, -1 / 0 })[1], -1 / 0)
  tap.raises(function() numeric.sort { 1, 0 / 0 } end, "element 2 is no number")
  tap.raises(function() numeric.sort { "1" } end, "element 1 is no number")
  tap.raises(function() numeric.sort() end, "table expected")
end)

tap.test("medians, whatever the order and however many are alike", function()
  local orders = {
    function(i) return i end,
    function(i, n) return -i + n end,
    function(i) return i % 7 end,
    function() return 5 end,
    function(i) return i % 2 == 0 and i or -i end,
    function(i, n) return i < n / 2 and 1 or 2 end,
    function() return generator:uniform() end,
  }
  for n = 1, 600, 13 do
    for _, value in ipairs(orders) do
      local values = {}
      for i = 1, n do values[i] = value(i, n) + 0.0 end
      local sorted = numeric.sort(values)
      local expected = (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
      tap.equal(numeric.median(values), expected, n .. " values")
    end
  end
  same_in_both(stats.median, series.history(generator, 2001, 0.1))
  same_in_both(stats.median, series.history(generator, 2000, 0.1))
  tap.equal(numeric.median { 1, -1 / 0, 1 / 0 }, 1.0)
  tap.raises(function() numeric.median {} end, "one value")
  tap.raises(function() numeric.median { 0 / 0 } end, "element 1 is no number")
end)

local huge, absent = series.shared "edivisive_huge.json"
if huge then
  tap.test("permutation form: the published number of points lies among ours, huge", function()
    stats.accelerate(numeric)
    local values, least, most = series.numbers(huge, "series"), math.huge, 0
    for seed = 1, 2 do
      local count = #changepoint.permutation(values, { p = 0.01, seed = 1234 * seed })
      least, most = math.min(least, count), math.max(most, count)
    end
    stats.accelerate {}
    local expected = tonumber(huge:match('"expected": (%d+)'))
    tap.truthy(least <= expected + 1 and most >= expected - 1, least .. " to " .. most)
  end)
else
  tap.skip("permutation form: huge", absent)
end

tap.test("wrong arguments raise and say where", function()
  tap.raises(function() numeric.split({ 1, 2, 3 }, 1, 4) end, "first and last")
  tap.raises(function() numeric.split({ 1, 2, 3 }, 2, 2) end, "first and last")
  tap.raises(function() numeric.split({ 1, 0 / 0 }, 1, 2) end, "finite")
  tap.raises(function() numeric.levels({ 1, 2, 3 }, 1, 1, 3) end, "on both sides")
  tap.raises(function() numeric.levels({ 1, 2, 3 }, 1, 2, 4) end, "on both sides")
  tap.raises(function() numeric.levels({ 1, "2", 3 }, 1, 2, 3) end, "numbers")
  tap.raises(function() numeric.potts({}, { 1 }, 1, 1) end, "values")
  tap.raises(function() numeric.potts({ 1, 2 }, {}, 1, 1) end, "price")
  tap.raises(function() numeric.potts({ 1, 2 }, { 1 }, 3, 1) end, "1 to the number")
  tap.raises(function() numeric.theil_sen({ 1 }, nil, { 0.5 }) end, "2 to 20000")
  tap.raises(function() numeric.theil_sen({ 1, 2 }, { 1 }, { 0.5 }) end, "as many")
  tap.raises(function() numeric.correlated_pairs({ 1, 2 }, 0, 2) end, "fewer lags")
  tap.raises(function() numeric.permuted_energy({ 1, 2 }, { 1 }, 0, {}) end, "two bounds")
  tap.raises(function() numeric.permuted_energy({ 1, 2 }, { 1, 4 }, 0, {}) end, "ascend")
  tap.raises(function() numeric.permuted_energy({ 1, 2 }, { 2, 1 }, 0, {}) end, "ascend")
  tap.raises(function() numeric.permuted_energy({ 1 }, { 1, 2 }, 0, { seeds = 1 }) end, "seed")
  tap.raises(function() numeric.resample({}) end, "one value")
  tap.raises(function() numeric.resample({ 1 }, { resamples = 0 }) end, "allowed 1..")
end)

tap.test("every x equal has no slope", function()
  local slopes, count = numeric.theil_sen({ 1, 2, 3 }, { 4, 4, 4 }, { 0.5 })
  tap.equal(#slopes, 0)
  tap.equal(count, 0)
end)

tap.done()

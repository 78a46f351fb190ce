--- Statistics against values worked out by hand and by definition.
local stats = require "woolly.stats"
local tap = require "tap"

tap.test("median of odd and even counts, of none", function()
  tap.equal(stats.median { 3, 1, 2 }, 2)
  tap.equal(stats.median { 4, 1, 3, 2 }, 2.5)
  tap.equal(stats.median { 7 }, 7)
  tap.equal(stats.median {}, nil)
end)

tap.test("values are not reordered", function()
  local values = { 3, 1, 2 }
  stats.median(values)
  stats.bootstrap_median(values, { resamples = 10 })
  tap.equal(table.concat(values, " "), "3 1 2")
end)

tap.test("percentiles are nearest rank", function()
  local values = { 15, 20, 35, 40, 50 }
  for p, expected in pairs { [5] = 15, [30] = 20, [40] = 20, [50] = 35, [100] = 50, [0] = 15 } do
    tap.equal(stats.percentile(values, p), expected, "p" .. p)
  end
  local hundred = {}
  for i = 1, 100 do hundred[i] = i end
  for _, p in ipairs { 1, 29, 57, 58, 90, 95, 99 } do
    tap.equal(stats.percentile(hundred, p), p, "p" .. p)
  end
end)

tap.test("mean, range, MAD, outliers", function()
  tap.equal(stats.mean { 1, 2, 3, 6 }, 3)
  local low, high = stats.range { 3, -1, 2 }
  tap.equal(low, -1)
  tap.equal(high, 3)
  tap.equal(stats.mad { 1, 1, 2, 2, 4, 6, 9 }, 1)
  tap.equal(table.concat(stats.outliers { 10, 11, 10, 12, 11, 50, 10 }, " "), "6")
  tap.equal(#stats.outliers { 1, 100 }, 0, "too few to tell")
end)

tap.test("the bootstrap is the same every time and holds the median", function()
  local values = { 9.1, 9.9, 10.2, 10.4, 10.6, 11.3, 12.0 }
  local low, high = stats.bootstrap_median(values)
  local again_low, again_high = stats.bootstrap_median(values)
  tap.equal(low, again_low)
  tap.equal(high, again_high)
  tap.truthy(low <= 10.4 and 10.4 <= high and low >= 9.1 and high <= 12.0)
end)

tap.test("order does not matter, equal values have no width", function()
  local a_low, a_high = stats.bootstrap_median { 1, 2, 3, 4, 5 }
  local b_low, b_high = stats.bootstrap_median { 5, 3, 1, 4, 2 }
  tap.equal(a_low, b_low)
  tap.equal(a_high, b_high)
  local low, high = stats.bootstrap_median { 7, 7, 7, 7, 7 }
  tap.equal(low, 7)
  tap.equal(high, 7)
end)

tap.test("95 % intervals hold the true median about 95 times in 100", function()
  math.randomseed(11)
  local held, rounds = 0, 200
  for _ = 1, rounds do
    local values = {}
    for i = 1, 21 do values[i] = math.random() + math.random() + math.random() end
    local low, high = stats.bootstrap_median(values, { resamples = 400 })
    if low <= 1.5 and 1.5 <= high then held = held + 1 end
  end
  tap.truthy(held >= 0.88 * rounds and held <= 0.995 * rounds, "held " .. held .. " of " .. rounds)
end)

tap.test("ratio of medians: exact for equal values, none against zero", function()
  local low, high = stats.bootstrap_ratio({ 20, 20, 20 }, { 10, 10, 10 })
  tap.equal(low, 2)
  tap.equal(high, 2)
  tap.equal(stats.bootstrap_ratio({ 1 }, { 0 }), nil)
  tap.equal(stats.bootstrap_ratio({}, { 1 }), nil)
end)

tap.test("samples that a percentile needs", function()
  tap.equal(stats.samples_needed(50), 5)
  tap.equal(stats.samples_needed(90), 64)
  tap.equal(stats.samples_needed(95), 130)
  tap.equal(stats.samples_needed(99), 662)
end)

tap.done()

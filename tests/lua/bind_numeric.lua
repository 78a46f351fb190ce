-- woolly.numeric against the same steps written in Lua: results must be equal, not close.
local tap     = require "tap"
local numeric = require "woolly.numeric"

local function splitmix(state)
  return function()
    state = state + 0x9E3779B97F4A7C15
    local z = state
    z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ~ (z >> 27)) * 0x94D049BB133111EB
    return z ~ (z >> 31)
  end
end

local function sorted(values)
  local copy = table.move(values, 1, #values, 1, {})
  table.sort(copy)
  return copy
end

local function rank(share, n) return math.max(1, math.ceil(share * n - 1e-9)) end

local function median(x) return (x[(#x + 1) // 2] + x[#x // 2 + 1]) / 2 end

local function resample(x, draw)
  local picked = {}
  for i = 1, #x do picked[i] = x[math.floor((draw() >> 11) * 2.0^-53 * #x) + 1] end
  table.sort(picked)
  return picked
end

local function interval(results, confidence)
  table.sort(results)
  local alpha = (1 - confidence) / 2
  return results[rank(alpha, #results)], results[rank(1 - alpha, #results)]
end

local function expected(values, options, statistic)
  local x, draw, results = sorted(values), splitmix(options.seed), {}
  for r = 1, options.resamples do results[r] = statistic(resample(x, draw)) end
  return interval(results, options.confidence)
end

local random = splitmix(7)
local function uniform(n, low, high)
  local values = {}
  for i = 1, n do values[i] = low + (random() >> 11) * 2.0^-53 * (high - low) end
  return values
end

local function same(found, wanted)
  tap.equal(found[1], wanted[1], "low")
  tap.equal(found[2], wanted[2], "high")
end

tap.test("the median's interval equals the one computed in Lua for every small size", function()
  for n = 1, 12 do
    local values = uniform(n, -1, 1)
    local options = { resamples = 400, seed = n * 1000003, confidence = 0.9 }
    same({ numeric.bootstrap_median(values, options) }, { expected(values, options, median) })
  end
end)

tap.test("the defaults are 10,000 resamples, seed 1 and 95 percent", function()
  local values = uniform(31, 10, 20)
  local options = { resamples = 10000, seed = 1, confidence = 0.95 }
  local low, high = numeric.bootstrap_median(values)
  same({ low, high }, { expected(values, options, median) })
  same({ low, high }, { numeric.bootstrap_median(values, options) })
  tap.truthy(low < high, "an interval")
end)

tap.test("the order of the values does not matter and they stay as they are", function()
  local values = uniform(20, 0, 1)
  local first = values[1]
  local reversed = {}
  for i, v in ipairs(values) do reversed[#values + 1 - i] = v end
  same({ numeric.bootstrap_median(values) }, { numeric.bootstrap_median(reversed) })
  tap.equal(values[1], first)
end)

tap.test("a seed repeats and another seed differs", function()
  local values = uniform(9, 0, 1)
  local options = { resamples = 50, seed = -1, confidence = 0.5 }
  same({ numeric.bootstrap_median(values, options) }, { expected(values, options, median) })
  local a = numeric.bootstrap_median(values, { resamples = 1, seed = 1 })
  local b = numeric.bootstrap_median(values, { resamples = 1, seed = 4 })
  tap.truthy(a ~= b, "different draws")
end)

tap.test("percentiles use the nearest rank", function()
  local values = uniform(40, 0, 100)
  for _, percentile in ipairs { 0, 5, 50, 95, 99, 100 } do
    local options = { resamples = 300, seed = 3, confidence = 0.95 }
    same({ numeric.bootstrap_percentile(values, percentile, options) },
         { expected(values, options, function(x) return x[rank(percentile / 100, #x)] end) })
  end
end)

tap.test("the ratio draws a, then b, in every resample", function()
  local a, b = uniform(15, 10, 20), uniform(8, 1, 2)
  local options = { resamples = 500, seed = 11, confidence = 0.95 }
  local x, y, draw, results = sorted(a), sorted(b), splitmix(options.seed), {}
  for r = 1, options.resamples do
    local above = median(resample(x, draw))
    results[r] = above / median(resample(y, draw))
  end
  same({ numeric.bootstrap_ratio(a, b, options) }, { interval(results, 0.95) })
end)

tap.test("one value, equal values and integers are fine", function()
  same({ numeric.bootstrap_median { 3 } }, { 3.0, 3.0 })
  same({ numeric.bootstrap_median { 2, 2, 2 } }, { 2.0, 2.0 })
  same({ numeric.bootstrap_median({ 1, 5 }, { confidence = 1, resamples = 1000 }) }, { 1.0, 5.0 })
end)

tap.test("no values and a ratio against zero are refused with a message and a code", function()
  local low, message, code = numeric.bootstrap_median {}
  tap.equal(low, nil)
  tap.contains(message, "no values")
  tap.equal(code, "input")
  tap.equal(select(3, numeric.bootstrap_percentile({}, 50)), "input")
  tap.equal(select(3, numeric.bootstrap_ratio({ 1 }, {})), "input")
  low, message, code = numeric.bootstrap_ratio({ 1 }, { 1, 0 })
  tap.equal(low, nil)
  tap.contains(message, "above 0")
  tap.equal(code, "input")
end)

tap.test("NaN, infinity, text and wrong options raise and say where", function()
  tap.raises(function() numeric.bootstrap_median { 1, 0 / 0 } end, "element 2")
  tap.raises(function() numeric.bootstrap_median { 1 / 0 } end, "finite")
  tap.raises(function() numeric.bootstrap_median { 1, "2" } end, '"2" is a string')
  tap.raises(function() numeric.bootstrap_median() end, "table expected")
  tap.raises(function() numeric.bootstrap_ratio({ 1 }, { 0 / 0 }) end, "element 1")
  tap.raises(function() numeric.bootstrap_percentile({ 1 }, 101) end, "0..100")
  tap.raises(function() numeric.bootstrap_percentile({ 1 }, 0 / 0) end, "0..100")
  tap.raises(function() numeric.bootstrap_percentile({ 1 }) end, "number expected")
  tap.raises(function() numeric.bootstrap_median({ 1 }, { resample = 3 }) end,
             "did you mean 'resamples'")
  tap.raises(function() numeric.bootstrap_median({ 1 }, { resamples = 0 }) end, "allowed 1..")
  tap.raises(function() numeric.bootstrap_median({ 1 }, { confidence = 1.5 }) end, "allowed 0..1")
  tap.raises(function() numeric.bootstrap_median({ 1 }, { seed = "x" }) end, "integer")
end)

tap.done()

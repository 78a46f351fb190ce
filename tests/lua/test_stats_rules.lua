--- The rules that decide: A against B, new runs against a baseline, steady state, forecasts.
local ab       = require "woolly.stats.ab"
local baseline = require "woolly.stats.baseline"
local forecast = require "woolly.stats.forecast"
local random   = require "woolly.stats.random"
local series   = require "series"
local steady   = require "woolly.stats.steady"
local tap      = require "tap"

-- ---- A against B ----

tap.test("the order is ABBA from a start that the seed decides", function()
  local starts = {}
  for seed = 1, 20 do
    local order = ab.order(6, seed)
    tap.equal(#order, 12)
    starts[order[1]] = true
    for i = 1, 9, 4 do
      tap.truthy(order[i] ~= order[i + 1] and order[i + 1] == order[i + 2], "mirrored pairs")
      tap.equal(order[i], order[i + 3])
    end
  end
  tap.truthy(starts.A and starts.B, "both starts")
end)

local function pairs_of(generator, n, effect, noise)
  local a, b = {}, {}
  for i = 1, n do
    a[i] = 100 * math.exp(noise * generator:normal())
    b[i] = 100 * effect * math.exp(noise * generator:normal())
  end
  return a, b
end

tap.test("ten pairs tell 5 % from none at 2 % noise", function()
  local generator, found = random.new(41), { slower = 0, faster = 0, same = 0, undecided = 0 }
  for _ = 1, 150 do
    local a, b = pairs_of(generator, 10, 0.95, 0.02)
    local v = ab.judge(a, b, { better = "higher", looks = { 10 } })
    found[v.verdict] = found[v.verdict] + 1
  end
  tap.truthy(found.slower >= 135, "found " .. found.slower .. " of 150")
  tap.equal(found.faster, 0)
  local wrong = 0
  for _ = 1, 150 do
    local a, b = pairs_of(generator, 10, 1, 0.02)
    local v = ab.judge(a, b, { better = "higher", looks = { 10 } })
    if v.verdict == "slower" or v.verdict == "faster" then wrong = wrong + 1 end
  end
  tap.truthy(wrong <= 3, wrong .. " of 150")
end)

tap.test("the direction of the metric decides what is faster", function()
  local a, b = pairs_of(random.new(42), 20, 1.1, 0.01)
  tap.equal(ab.judge(a, b, { better = "higher" }).verdict, "faster")
  tap.equal(ab.judge(a, b, { better = "lower" }).verdict, "slower")
  tap.equal(ab.judge(b, a, { better = "lower" }).verdict, "faster")
  tap.near(ab.judge(a, b, { better = "higher" }).ratio, 1.1, 0.02)
end)

tap.test("same is a claim: it needs little noise", function()
  local generator = random.new(43)
  local a, b = pairs_of(generator, 20, 1, 0.003)
  tap.equal(ab.judge(a, b, { better = "higher" }).verdict, "same")
  a, b = pairs_of(generator, 20, 1, 0.05)
  tap.equal(ab.judge(a, b, { better = "higher" }).verdict, "undecided")
end)

tap.test("too few pairs, pairs that do not match and zeros are undecided", function()
  local a, b = pairs_of(random.new(44), 4, 0.5, 0.001)
  local found = ab.judge(a, b, { better = "higher" })
  tap.equal(found.verdict, "undecided")
  tap.equal(found.more, 6, "until the first look")
  tap.equal(ab.judge(a, {}, { better = "higher" }).verdict, "undecided")
  tap.equal(ab.judge({}, {}, { better = "higher" }).verdict, "undecided")
  tap.equal(ab.judge({ 0, 1 }, { 1, 1 }, { better = "higher" }).verdict, "undecided")
  found = ab.judge(a, b, { better = "higher", looks = { 4 } })
  tap.equal(found.verdict, "undecided", "four pairs cannot give p below 1 %")
  tap.contains(found.reason, "cannot")
end)

tap.test("looks share the level, the last one has no more", function()
  local a, b = pairs_of(random.new(45), 15, 1, 0.05)
  local found = ab.judge(a, b, { better = "higher" })
  tap.near(found.alpha, 0.01 / 3, 1e-12)
  tap.equal(found.more, 5)
  tap.equal(ab.judge(a, b, { better = "higher", looks = { 15 } }).more, nil)
end)

-- ---- a baseline ----

tap.test("a drop of 5 % at 1 % noise is confirmed by three runs, noise alone is not", function()
  local generator, confirmed, false_alarms = random.new(46), 0, 0
  for _ = 1, 200 do
    local runs = series.history(generator, 33, 0.01)
    local prediction = assert(baseline.predict(table.move(runs, 1, 30, 1, {})))
    local new = table.move(runs, 31, 33, 1, {})
    local dropped = {}
    for i, value in ipairs(new) do dropped[i] = value * 0.95 end
    if baseline.breach(prediction, dropped[1], "higher") == "worse"
        and baseline.confirm(prediction, dropped, "higher").verdict == "regressed" then
      confirmed = confirmed + 1
    end
    if baseline.breach(prediction, new[1], "higher")
        and baseline.confirm(prediction, new, "higher").verdict ~= "ok" then
      false_alarms = false_alarms + 1
    end
  end
  tap.truthy(confirmed >= 188, confirmed .. " of 200")
  tap.truthy(false_alarms <= 3, false_alarms .. " of 200")
end)

tap.test("one breach is a suspect, two of three a finding, either way", function()
  local prediction = { center = 100, low = 97, high = 103, scale = 0.01, n = 30 }
  local function verdict(values, better)
    return baseline.confirm(prediction, values, better or "higher").verdict
  end
  tap.equal(verdict { 100 }, "ok")
  tap.equal(verdict { 90 }, "suspect")
  tap.equal(verdict { 90, 100 }, "suspect")
  tap.equal(verdict { 90, 100, 100 }, "ok")
  tap.equal(verdict { 90, 100, 91 }, "regressed")
  tap.equal(verdict { 110, 100, 111 }, "improved")
  tap.equal(verdict({ 110, 100, 111 }, "lower"), "regressed")
  tap.equal(verdict { 90, 110, 100 }, "ok", "breaches that disagree")
  tap.equal(baseline.confirm(prediction, { 95, 95, 95 }, "higher", 0.06).verdict, "ok",
            "below the tolerance")
  tap.near(baseline.confirm(prediction, { 90, 91, 92 }, "lower").change, 0.09, 1e-9)
end)

tap.test("short, zero and flat histories", function()
  local found, reason = baseline.predict { 1, 2, 3 }
  tap.equal(found, nil)
  tap.contains(reason, "8 are needed")
  tap.equal(baseline.predict { 1, 1, 1, 1, 0, 1, 1, 1 }, nil)
  local flat = baseline.predict { 5, 5, 5, 5, 5, 5, 5, 5 }
  tap.near(flat.center, 5, 1e-12)
  tap.equal(flat.scale, baseline.FLOOR, "noise is never taken for none")
end)

tap.test("noise with heavy tails widens the limit", function()
  local values = {}
  for i = 1, 30 do values[i] = 100 * (1 + (i % 5 == 0 and 0.2 or 0.001 * (i % 3))) end
  local prediction = baseline.predict(values)
  tap.equal(prediction.rule, "quartiles")
  tap.equal(baseline.breach(prediction, 120, "lower"), nil)
end)

-- ---- steady state ----

tap.test("warm-up ends where values settle", function()
  local generator, values, seconds = random.new(47), {}, {}
  for i = 1, 80 do
    values[i] = 100 * (1 - 0.3 * math.exp(-i / 4)) * (1 + 0.004 * generator:normal())
    seconds[i] = i * 0.2
  end
  local found = steady.find(values)
  tap.equal(found.state, "steady")
  tap.truthy(found.first >= 8 and found.first <= 20, "first " .. tostring(found.first))
  tap.truthy(steady.find(values, { seconds = seconds }).first >= 16, "three seconds at least")
end)

tap.test("no steady state is a result: a slope, noise, too few", function()
  local generator, rising, noisy = random.new(48), {}, {}
  for i = 1, 60 do
    rising[i] = 100 + i
    noisy[i] = 100 * (1 + 0.1 * generator:normal())
  end
  tap.equal(steady.find(rising).state, "none")
  tap.contains(steady.find(noisy).reason, "vary")
  tap.contains(steady.find({ 1, 2, 3 }).reason, "needed")
end)

-- ---- forecasts ----

tap.test("a steady gain is carried on; its band holds the truth and meets the limit", function()
  local generator, values = random.new(49), {}
  for i = 1, 40 do values[i] = 100 * math.exp(0.01 * i + 0.01 * generator:normal()) end
  local found = assert(forecast.project(values, { ahead = 20, limit = 165, better = "higher" }))
  tap.equal(#found.points, 20)
  local truth = 100 * math.exp(0.5)
  tap.truthy(found.points[10].low95 <= truth and truth <= found.points[10].high95)
  tap.truthy(found.points[10].low95 < found.points[10].low80)
  tap.near(found.crossing.median, 10, 3)
  tap.truthy(found.crossing.early <= found.crossing.median)
  tap.truthy(found.crossing.late >= found.crossing.median)
end)

tap.test("the horizon is half of the segment; what is out of sight is nil", function()
  local generator = random.new(50)
  local values = series.history(generator, 20, 0.01)
  local found = assert(forecast.project(values, { ahead = 100, limit = 1000, better = "higher" }))
  tap.equal(#found.points, 10)
  tap.equal(found.crossing.median, nil)
end)

tap.test("no forecast of few runs, of a fresh change, of zeros", function()
  tap.equal(forecast.project { 1, 2, 3 }, nil)
  local values = series.history(random.new(51), 20, 0.01)
  local found, reason = forecast.project(values, { last_change = 3 })
  tap.equal(found, nil)
  tap.contains(reason, "3 runs old")
  values[4] = 0
  tap.equal(forecast.project(values), nil)
end)

tap.done()

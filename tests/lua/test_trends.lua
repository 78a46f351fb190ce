--- What a history says: changes, drift, forecasts of gates, the trajectory; alerts, once a change.
local alerts = require "woolly.alerts"
local forecast = require "woolly.stats.forecast"
local tap = require "tap"
local trends = require "woolly.trends"

-- The same noise each time: about normal, share of 1.
local function noise(seed)
  local state = seed
  return function()
    local sum = 0
    for _ = 1, 4 do
      state = (state * 1103515245 + 12345) % (1 << 31)
      sum = sum + state / (1 << 31) - 0.5
    end
    return sum * math.sqrt(3)
  end
end

--- A history of one metric: levels(i) of n runs, a day apart, with noise.
local function history_of(name, n, levels, share)
  local found, wobble = { rows = {}, series = { [name] = { at = {}, value = {} } } }, noise(7)
  for i = 1, n do
    found.rows[i] = { id = "R" .. i, seq = i, started = string.format("day %03d", i), target = "t",
                      started_s = i * 86400, scenario = "quick", machine = "abcdef0123" }
    found.series[name].at[i] = i
    found.series[name].value[i] = levels(i) * math.exp((share or 0.01) * wobble())
  end
  return found
end

local function analyse(found, days)
  return trends.history(found, { window_s = (days or 7) * 86400 })
end

local function step(at, before, after)
  return function(i) return i < at and before or after end
end

tap.test("a step is found where it is, confirmed, with its direction", function()
  local found = history_of("tokens_per_second", 60, step(55, 100, 90))
  local trend = analyse(found)[1]
  tap.equal(#trend.points, 1)
  local point = trend.points[1]
  tap.equal(point.at, 55)
  tap.equal(point.vote, "confirmed")
  tap.equal(point.better, false)
  tap.equal(point.age, 6)
  tap.equal(point.in_window, true)
  tap.truthy(trends.pages(point), "somebody is called")
  tap.near(trend.level, 90, 1)
  tap.equal(trend.segment, 6)
  tap.equal(analyse(history_of("ttft_ms", 60, step(55, 100, 90)))[1].points[1].better, true)
end)

tap.test("an old step is outside the window, a fresh one calls nobody yet", function()
  local old = analyse(history_of("tokens_per_second", 60, step(30, 100, 90)))[1].points[1]
  tap.equal(old.in_window, false)
  tap.equal(analyse(history_of("tokens_per_second", 60, step(30, 100, 90)), 40)[1].points[1]
            .in_window, true)
  local found = analyse(history_of("tokens_per_second", 60, step(59, 100, 80)))[1].points
  for _, point in ipairs(found) do tap.truthy(not trends.pages(point), "too fresh") end
end)

tap.test("a steady history has no points, a slow one drifts", function()
  local steady = analyse(history_of("tokens_per_second", 100, function() return 100 end))[1]
  tap.equal(#steady.points, 0)
  tap.equal(steady.drift.verdict, "steady")
  local slow = analyse(history_of("tokens_per_second", 60, function(i) return 100 - 0.3 * i end,
                                  0.02))[1]
  if #slow.points == 0 then
    tap.equal(slow.drift.verdict, "drift")
    tap.equal(slow.drift.better, false)
  end
end)

tap.test("what is counted changes where it differs, without detectors", function()
  local found = history_of("hot_path_allocations", 20, step(15, 0, 3), 0)
  local point = analyse(found)[1].points[1]
  tap.equal(point.at, 15)
  tap.equal(point.change, nil, "from 0")
  tap.equal(point.better, false)
  local none = history_of("hot_path_allocations", 20, function() return 0 end, 0)
  tap.equal(#analyse(none)[1].points, 0)
end)

tap.test("few runs are said to be few, metrics without a direction are left out", function()
  local trend = analyse(history_of("tokens_per_second", 7, function() return 1 end))[1]
  tap.contains(trend.reason, "7 runs, 8 are needed")
  tap.equal(#analyse(history_of("cached_mb", 20, function() return 1 end)), 0)
end)

tap.test("a rising metric gets a date, a met limit none, a far one no promise", function()
  local found = history_of("tokens_per_second", 60, function(i) return 100 + i end, 0.002)
  local list = analyse(found)
  trends.forecast(found, list, { limits = { tokens_per_second = { min = 165 } } }, forecast.project)
  if #list[1].points == 0 then
    tap.near(list[1].forecast.crossing.median, 6, 4)
  end
  trends.forecast(found, list, { limits = { tokens_per_second = { min = 50 } } }, forecast.project)
  tap.equal(list[1].forecast.met, true)
  trends.forecast(found, list, { limits = { tokens_per_second = { min = 1e6 } } }, forecast.project)
  local crossing = list[1].forecast.crossing
  tap.truthy(not crossing or crossing.median == nil, "not in sight")
end)

tap.test("the pace is the median of the steps forward", function()
  local rows = history_of("ttft_ms", 10, function() return 1 end).rows
  rows[5].started_s = 0 -- the clock went back
  tap.equal(trends.pace(rows), 86400)
  tap.equal(trends.pace { rows[1] }, nil)
end)

-- ---- trajectory ----

tap.test("each phase is on target, behind, undecided, unreachable or missing", function()
  local expected = { phase1 = 100, phase2 = 1000, phase3 = 3000, phase4 = 15000, phase5 = 20000 }
  local function one(low, median, high, roof)
    return { low = low, median = median, high = high, roof = roof, run = "R" }
  end
  local steps = trends.trajectory(expected, {
    phase1 = one(101, 110, 120), phase2 = one(800, 900, 950, 5000),
    phase3 = one(2900, 3100, 3200), phase4 = one(90, 95, 99, 120) })
  local verdicts = {}
  for i, found in ipairs(steps) do verdicts[i] = found.phase .. " " .. found.verdict end
  tap.equal(table.concat(verdicts, ", "), "phase1 on target, phase2 behind, phase3 undecided, "
            .. "phase4 unreachable, phase5 missing")
  tap.contains(steps[4].reason, "roof of this machine and model is 120")
end)

-- ---- alerts ----

local GATE <const> = { limits = { tokens_per_second = { min = 50 } }, alerts = { age = 3 } }

local function find(found, gate)
  return alerts.find(found, analyse(found), gate or GATE)
end

tap.test("a change for the worse is an alert, one for the better is none", function()
  local list = find(history_of("tokens_per_second", 60, step(55, 100, 90)))
  tap.equal(#list, 1)
  tap.equal(list[1].kind, "change")
  tap.equal(list[1].run, "R55")
  tap.truthy(list[1].text:match "^tokens_per_second got worse: [%d.]+ %-> [%d.]+ %(%-9",
             list[1].text)
  tap.equal(#find(history_of("tokens_per_second", 60, step(55, 90, 100))), 0)
  tap.equal(#find(history_of("tokens_per_second", 60, step(59, 100, 70))), 0, "too fresh")
end)

tap.test("a limit is missed from its first run on", function()
  local list = find(history_of("tokens_per_second", 20, step(18, 60, 40)))
  tap.equal(list[#list].kind, "limit")
  tap.equal(list[#list].run, "R18")
  tap.contains(list[#list].text, "limit >= 50, since run R18")
  tap.equal(#find(history_of("tokens_per_second", 20, step(20, 40, 60))), 0, "held again")
end)

tap.test("who had an alert is known from tags near its run, output by output", function()
  local found = history_of("tokens_per_second", 60, step(55, 100, 90))
  local list = find(found)
  alerts.recall(list, found, { { id = "R53", key = "alert:change:tokens_per_second",
                                 value = "file terminal" } })
  tap.equal(list[1].tagged, "R53")
  tap.equal(list[1].had.file, true)
  tap.equal(list[1].had.webhook, nil)
  list[1].had.webhook = true
  tap.equal(alerts.value(list[1]), "file terminal webhook")
  list = find(found)
  alerts.recall(list, found, { { id = "R40", key = "alert:change:tokens_per_second", value = "x" },
                               { id = "R55", key = "alert:drift:tokens_per_second", value = "x" },
                               { id = "other", key = "alert:change:tokens_per_second",
                                 value = "x" } })
  tap.equal(list[1].tagged, nil)
end)

tap.test("bodies: generic JSON, and Slack's one text with its escapes", function()
  local list = find(history_of("tokens_per_second", 60, step(55, 100, 90)))
  tap.equal(alerts.body(list, "generic").alerts[1].schema, "woolly-alert/1")
  list[1].text = "a <b> & c\nd"
  tap.contains(alerts.body(list, "slack").text, "a &lt;b&gt; &amp; c d")
end)

tap.test("rules of the wrong kind are named", function()
  tap.equal(#alerts.problems(nil, "x"), 0)
  tap.contains(alerts.problems({ age = "3" }, "x")[1], "alerts.age")
  tap.contains(alerts.problems({ drift = 1 }, "x")[1], "boolean")
  tap.contains(alerts.problems({ magnitude = -1 }, "x")[1], "above 0")
end)

tap.done()

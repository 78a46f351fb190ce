--- Stored runs in order: alike ones, windows, clocks; sides of a comparison; blame.
local blame = require "woolly.blame"
local history = require "woolly.history"
local options = require "woolly.options"
local sides = require "woolly.sides"
local tap = require "tap"

local DAY <const> = 86400

local function row(seq, started_s, changes)
  local r = { id = "R" .. seq, seq = seq, started_s = started_s, scenario = "quick",
              target = "native", preset = "p1", switches = "{}", params = "{}", machine = "m",
              model = "a" }
  for key, value in pairs(changes or {}) do r[key] = value end
  return r
end

tap.test("only runs that share machine, model, switches and options are alike", function()
  local found = { rows = { row(1, 0), row(2, 1, { machine = "n" }), row(3, 2, { model = "b" }),
                           row(4, 3, { params = "{1}" }), row(5, 4), row(6, 5, { machine = "n" }) },
                  series = { tps = { at = { 1, 2, 4, 5 }, value = { 10, 20, 40, 50 } } } }
  local alike, left_out = history.alike(found, row(9, 9))
  tap.equal(#alike.rows, 2)
  tap.equal(table.concat(alike.series.tps.value, " "), "10 50")
  tap.equal(table.concat(alike.series.tps.at, " "), "1 2")
  tap.equal(left_out["another machine"], 2)
  tap.equal(left_out["another model"], 1)
  tap.equal(left_out["other options of the scenario"], 1)
end)

tap.test("groups of alike runs come with the newest first", function()
  local found = { rows = { row(1, 0), row(2, 1, { preset = "p2" }), row(3, 2) },
                  series = { tps = { at = { 1, 2, 3 }, value = { 1, 2, 3 } } } }
  local groups = history.groups(found)
  tap.equal(#groups, 2)
  tap.equal(table.concat(groups[1].series.tps.value, " "), "1 3")
  tap.equal(groups[2].rows[1].preset, "p2")
  tap.equal(#history.groups { rows = {}, series = {} }, 0)
end)

tap.test("windows are read with and without their unit", function()
  tap.equal(history.seconds("7days"), 7 * DAY)
  tap.equal(history.seconds("2 weeks"), 14 * DAY)
  tap.equal(history.seconds("12h"), 43200)
  tap.equal(history.seconds("3"), 3 * DAY)
  tap.equal(history.seconds("7 fortnights"), nil)
  tap.equal(history.seconds("days"), nil)
end)

tap.test("a window goes back along the order of saving", function()
  local rows = { row(1, 0), row(2, 3 * DAY), row(3, 9 * DAY), row(4, 10 * DAY) }
  tap.equal(history.window(rows, 7 * DAY), 2)
  tap.equal(history.window(rows, DAY), 3)
  tap.equal(history.window({}, DAY), 1)
end)

tap.test("a clock set back is said, and moves no run", function()
  local rows = { row(1, 9 * DAY), row(2, 10 * DAY), row(3, 10 * DAY - 3600), row(4, 10 * DAY) }
  tap.equal(history.window(rows, 2 * DAY), 1)
  local notes = history.clock_notes(rows)
  tap.equal(#notes, 1)
  tap.contains(notes[1], "clock moved -3600 s before run R3")
  tap.contains(history.clock_notes(rows, 5 * DAY)[2], "clock moved -432000 s since run R4")
  tap.equal(#history.clock_notes { row(1, 100), row(2, 90) }, 0, "two programs at a time")
end)

tap.test("the day before is the newest one with a run", function()
  local rows = { row(1, DAY), row(2, 2 * DAY + 5), row(3, 2 * DAY + 9), row(4, 4 * DAY + 1) }
  local indexes, ago = history.day_before(rows, 4 * DAY + 50)
  tap.equal(table.concat(indexes, " "), "2 3")
  tap.equal(ago, 2)
  tap.equal(#history.day_before(rows, 50), 0)
end)

-- ---- sides ----

local specs <const> = {
  { name = "model", type = "string" }, { name = "preset", type = "string" },
  { name = "switches", type = "string" }, { name = "threads", type = "list" },
  { name = "target", type = "string" }, { name = "faults", type = "string" },
}

local function side(text)
  return sides.parse(text, specs, function(path) return path == "./old/woolly-lua" end)
end

tap.test("a side is a preset, a target, a model, switches, a program or options", function()
  tap.equal(side("p3").options.preset, "p3")
  tap.equal(side("llama_cpp").options.target, "llama_cpp")
  tap.equal(side("synth:tiny-q4_0").options.model, "synth:tiny-q4_0")
  tap.equal(side("simd=off pool=on").options.switches, "simd=off,pool=on")
  tap.equal(side("./old/woolly-lua").program, "./old/woolly-lua")
  local both = side("p4 --threads 1,2 --faults sleep=qkv:20")
  tap.equal(both.options.preset, "p4")
  tap.equal(both.options.threads[2], 2)
  tap.equal(both.options.target, "faulty")
  tap.equal(options.parse({ "--preset=p1" }, specs).preset, "p1")
  tap.contains(tap.raises(function() side("lama_cpp") end), "did you mean 'llama_cpp'")
  tap.raises(function() side("./absent") end, "is no preset")
  tap.raises(function() side("p4 --thread 2") end, "did you mean '--threads'")
  tap.raises(function() side("") end, "says nothing")
end)

tap.test("two sides that say the same do not differ", function()
  tap.truthy(not sides.differ(side("p3"), side("--preset p3")), "same")
  tap.truthy(sides.differ(side("p3"), side("p4")), "preset")
  tap.truthy(sides.differ(side("p3"), side("p3 ./old/woolly-lua")), "program")
  tap.truthy(sides.differ(side("p3"), side("p3 simd=off")), "switch")
  tap.truthy(not sides.differ(side("--threads 1,2"), side("--threads 1,2")), "lists")
end)

-- ---- blame ----

tap.test("the operation that grew is blamed, not the waiting for it", function()
  local a, b, rates_a, rates_b = {}, {}, {}, {}
  for i = 1, 10 do
    local jitter = i % 3
    a[i] = { qkv = 100 + jitter, down = 300 - jitter, wait = 10 }
    b[i] = { qkv = 101 - jitter, down = 500 + jitter, wait = 900 }
    rates_a[i], rates_b[i] = 1e9 / 410, 1e9 / 610
  end
  local lines = blame.table(a, b, rates_a, rates_b)
  tap.equal(lines[1].operation, "wait")
  local culprit = blame.culprit(lines, true)
  tap.equal(culprit.operation, "down")
  tap.near(culprit.difference, 201, 3)
  tap.near(culprit.share, 1, 0.02)
  tap.equal(blame.culprit(lines, false), nil, "nothing got faster")
  local differing = blame.differing(lines)
  tap.equal(#differing, 1, "qkv wavers, waiting is none of its own")
  tap.equal(differing[1].operation, "down")
  tap.truthy(differing[1].p < 0.01, "p")
end)

tap.test("where nothing but waiting grew, waiting is named; noise is not", function()
  local a, b, rates = {}, {}, {}
  for i = 1, 10 do
    a[i], b[i], rates[i] = { qkv = 100 + i % 2, wait = 5 }, { qkv = 101 - i % 2, wait = 50 }, 1e6
  end
  local lines = blame.table(a, b, rates, rates)
  tap.equal(blame.culprit(lines, true).operation, "wait")
  tap.equal(lines[1].share, nil, "no difference to share")
end)

tap.done()

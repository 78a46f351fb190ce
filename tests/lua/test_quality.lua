--- Notes on the samples of a run.
local quality = require "woolly.quality"
local random  = require "woolly.stats.random"
local series  = require "series"
local tap     = require "tap"

local RATE <const> = "tokens_per_second"

tap.test("ordinary noise is nothing to note", function()
  local generator, noted = random.new(61), 0
  for _ = 1, 200 do
    noted = noted + #quality.notes(RATE, series.history(generator, 15, 0.03))
  end
  tap.truthy(noted <= 4, noted .. " of 200")
end)

tap.test("a slow first repetition is named, with what helps", function()
  local notes = quality.notes(RATE, { 50, 100, 100.2, 99.9, 100.1, 100 })
  tap.equal(#notes, 1)
  tap.contains(notes[1], "the first of 6")
  tap.contains(notes[1], "--warmup")
end)

tap.test("values far aside are counted and kept", function()
  local notes = quality.notes(RATE, { 100, 100.2, 99.9, 30, 100.1, 100, 300 })
  tap.equal(#notes, 1)
  tap.contains(notes[1], "2 of 7")
  tap.equal(#quality.notes(RATE, { 100, 100, 100, 100, 100, 100.5 }), 0, "half a percent is near")
end)

tap.test("a run that never gets steady says so", function()
  local falling, generator = {}, random.new(62)
  for i = 1, 20 do falling[i] = 100 * (1 - 0.01 * i) * (1 + 0.002 * generator:normal()) end
  local notes = quality.notes(RATE, falling)
  tap.equal(#notes, 1)
  tap.contains(notes[1], "no steady state, falls by")
end)

tap.test("counts, token gaps, few samples and unknown metrics have no notes", function()
  for _, name in ipairs { "hot_path_allocations", "single_token_latency_ms", "unheard_of" } do
    tap.equal(#quality.notes(name, { 1, 1, 1, 1, 1, 1, 1, 1000 }), 0, name)
  end
  tap.equal(#quality.notes(RATE, { 1, 1000 }), 0)
  tap.equal(#quality.notes(RATE, {}), 0)
end)

tap.done()

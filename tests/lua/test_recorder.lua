--- What measure writes to, and the checks in front of it.
local failure = require "woolly.failure"
local recorder = require "woolly.recorder"
local tap = require "tap"

local MS <const> = 1000000

tap.test("a decode gives one rate and one gap less than tokens", function()
  local m = recorder.new()
  local rate = m:decode { times_ns = { 10 * MS, 20 * MS, 40 * MS }, finish_reason = "length" }
  m:commit()
  tap.near(rate, 2 / 0.030, 1e-9)
  tap.near(m.measured.tokens_per_second.samples[1], 2 / 0.030, 1e-9)
  tap.equal(table.concat(m.measured.single_token_latency_ms.samples, " "), "10.0 20.0")
end)

tap.test("a prefill gives a rate, a generation the time to the first token too", function()
  local m = recorder.new()
  m:prefill { n_tokens = 5, start_ns = 0, end_ns = 50 * MS }
  m:generate { prompt_tokens = 4, start_ns = 100 * MS, prefill_ns = 20 * MS,
               times_ns = { 125 * MS, 130 * MS }, finish_reason = "length" }
  m:commit()
  tap.equal(table.concat(m.measured.prefill_tokens_per_second.samples, " "), "100.0 200.0")
  tap.equal(m.measured.ttft_ms.samples[1], 25.0)
end)

tap.test("a metric gets its roof, or the reason why it has none", function()
  local m = recorder.new()
  m:roof("tokens_per_second", 50, "DRAM 30 GB/s")
  m:roof("prefill_tokens_per_second", nil, "roofs are off")
  tap.equal(m.measured.tokens_per_second.roof, 50)
  tap.equal(m.measured.prefill_tokens_per_second.roof, nil)
  tap.equal(m.measured.prefill_tokens_per_second.roof_by, "roofs are off")
  tap.raises(function() m:roof("tokens_per_secnd", 50) end, "tokens_per_second")
  for _, bad in ipairs { 0, -1, 0 / 0, math.huge, "50" } do
    tap.raises(function() m:roof("tokens_per_second", bad) end, "positive")
  end
end)

tap.test("warm-up calls leave nothing", function()
  local m = recorder.new()
  m.warmup = true
  m:record("tokens_per_second", 1)
  m:commit()
  m.warmup = false
  m:commit()
  tap.equal(m.measured.tokens_per_second, nil)
end)

tap.test("a call that ended early leaves nothing", function()
  local m = recorder.new()
  m:record("tokens_per_second", 1)
  tap.equal(#m.order, 0, "recorded before commit")
end)

tap.test("unknown metrics and values that are no numbers are refused", function()
  local m = recorder.new()
  tap.contains(tap.raises(function() m:record("tokens_per_secnd", 1) end), "tokens_per_second")
  for _, value in ipairs { 0 / 0, math.huge, -math.huge, "5", {} } do
    tap.raises(function() m:record("tokens_per_second", value) end, "finite")
  end
  tap.raises(function() m:record("tokens_per_second", nil) end, "finite")
end)

tap.test("a failed call ends the run with its message and code", function()
  local m = recorder.new()
  local _, raised = pcall(m.decode, m, nil, "KV cache is full", "input")
  tap.truthy(failure.is(raised))
  tap.equal(raised.code, "input")
  tap.equal(raised.message, "KV cache is full")
  _, raised = pcall(m.decode, m, { times_ns = {}, finish_reason = "cancelled" })
  tap.equal(raised.code, "cancelled")
end)

tap.test("one token is no rate", function()
  local m = recorder.new()
  local _, raised = pcall(m.decode, m, { times_ns = { 5 }, finish_reason = "length" })
  tap.equal(raised.code, "unavailable")
end)

tap.test("expected metrics without samples are missing with a reason", function()
  local m = recorder.new()
  m:missing("cache_miss_ratio", "no counters")
  m:expect { "cache_miss_ratio", "tokens_per_second" }
  tap.equal(m.measured.cache_miss_ratio.reason, "no counters")
  tap.truthy(m.measured.tokens_per_second.reason, "a reason")
end)

tap.test("checks keep a line each; the first that fails ends it", function()
  local check = recorder.check()
  check:at_most("NMSE", 1e-9, 1e-6)
  check:at_least("top1", 1, 1)
  check:equal("text", "a", "a")
  check:truthy("finite", true)
  tap.equal(#check.lines, 4)
  local _, raised = pcall(check.at_most, check, "NMSE", 1, 1e-6)
  tap.equal(raised.code, "check")
  tap.contains(raised.message, "Nothing was timed")
  tap.equal(check.lines[5].ok, false)
end)

tap.test("a check of NaN or of nothing fails", function()
  for _, value in ipairs { 0 / 0, "x", false } do
    tap.equal(pcall(function() recorder.check():at_most("x", value, 1) end), false)
    tap.equal(pcall(function() recorder.check():at_least("x", value, 1) end), false)
  end
end)

tap.done()

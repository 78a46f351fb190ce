--- The plan's JSON configuration, decoded: what becomes a limit and what is refused.
local config = require "woolly.config"
local gate = require "woolly.gate"
local tap = require "tap"

local function read(document) return config.read(document, "c.json") end

local function refused(document, ...)
  local found, problems = read(document)
  tap.equal(found, nil)
  local all = table.concat(problems, "\n")
  for _, part in ipairs { "c.json", ... } do tap.contains(all, part) end
  return problems
end

local function limits(gates) return { phase = "1_x", performance_gates = gates } end

tap.test("min_ and max_ keys become a gate without problems", function()
  local found, problems = read(limits { min_tokens_per_second = 0.1, max_latency_ms = 10000,
                                        max_memory_mb = 6000 })
  tap.equal(#problems, 0, table.concat(problems, "; "))
  tap.equal(found.title, "1_x")
  tap.equal(found.limits.tokens_per_second.min, 0.1)
  tap.equal(found.limits.single_token_latency_ms.max, 10000)
  tap.equal(found.limits.memory_usage_mb.max, 6000)
  tap.equal(#gate.problems(found, "c.json"), 0)
end)

tap.test("a document without gates is no gate and no error", function()
  local found, problems = read { phase = "1_x", tests = {
    dequantization_performance = { enabled = true, measure_simd_usage = false } } }
  tap.equal(found, nil)
  tap.equal(#problems, 0)
end)

tap.test("J2: unknown keys name the nearest known one", function()
  refused({ performance_gate = {} }, "performance_gates")
  refused({ tests = { inference_sped = { enabled = true } } }, "tests.inference_sped",
          "inference_speed")
  refused({ tests = { inference_speed = { enable = true } } }, "tests.inference_speed.enable",
          "enabled")
  refused(limits { min_tokens_per_secnd = 1 }, "min_tokens_per_secnd", "min_tokens_per_second")
  refused(limits { tokens_per_second = 1 }, "tokens_per_second")
end)

tap.test("J5: wrong types and ranges, all in one go, at most 20", function()
  local problems = refused({
    phase = 1, tests = { inference_speed = { enabled = "yes" }, memory = 5 },
    performance_gates = { min_tokens_per_second = "5", max_memory_mb = -1,
                          max_latency_ms = false } },
    "phase", "tests.inference_speed.enabled", "Remove the quotes", "negative", "max_latency_ms")
  tap.equal(#problems, 6, table.concat(problems, "\n"))
  refused(limits { min_tokens_per_second = 5, max_tokens_per_second = 1 }, "above")
  local many = {}
  for i = 1, 50 do many["min_nothing_" .. i] = 1 end
  tap.equal(#refused(limits(many), "unknown"), 20)
end)

tap.test("what is no object is refused", function()
  for _, value in ipairs { 5, "x", true } do refused(value, "object") end
  refused({ performance_gates = 5 }, "performance_gates")
  refused({ tests = 5 }, "tests")
end)

tap.done()

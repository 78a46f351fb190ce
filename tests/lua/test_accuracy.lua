--- Limits of the answers, by what the switches round.
local accuracy = require "woolly.accuracy"
local tap = require "tap"

local function limits(fused, key_type, value_type, quantised)
  return accuracy.limits({ fused_matmul = fused, key_type = key_type, value_type = value_type },
                         quantised)
end

tap.test("F32 paths may differ by rounding of sums only", function()
  for _, case in ipairs { { false, true }, { false, false }, { true, false } } do
    local found = limits(case[1], "f32", "f32", case[2])
    tap.equal(found.rounds, "nothing")
    tap.equal(found.nmse, 1e-6)
    tap.equal(found.top1, 1)
  end
end)

tap.test("int8 activations count where weights are quantised and the product is fused", function()
  local found = limits(true, "f32", "f32", true)
  tap.equal(found.rounds, "int8 activations")
  tap.equal(found.nmse, 5e-3)
  tap.equal(found.top1, 0.9)
end)

tap.test("the loosest of what is rounded counts, and all of it is named", function()
  local found = limits(true, "f16", "q4_0", true)
  tap.equal(found.rounds, "f16 cache, int8 activations, q4_0 cache")
  tap.truthy(found.nmse > limits(true, "f16", "f16", true).nmse)
  tap.equal(limits(true, "q8_0", "f16", false).rounds, "f16 cache, q8_0 cache")
end)

tap.test("a model is quantised by its matrices, not by its vectors", function()
  tap.equal(accuracy.is_quantised { { type = "F16", shape = { 4, 4 } },
                                    { type = "Q8_0", shape = { 32 } } }, false)
  tap.equal(accuracy.is_quantised { { type = "F32", shape = { 4 } },
                                    { type = "Q6_K", shape = { 256, 4 } } }, true)
end)

tap.done()

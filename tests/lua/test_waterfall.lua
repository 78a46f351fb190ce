--- The order of the switches from p0 to a preset.
local tap = require "tap"
local waterfall = require "woolly.waterfall"

local P0 <const> = { simd = false, pool = false, weight_cache = false, weight_cache_mb = 16,
                     fused_matmul = false, repack = false, key_type = "f32", value_type = "f32",
                     threads = 1, backend = "avx2" }

local function with(changes)
  local switches = {}
  for key, value in pairs(P0) do switches[key] = value end
  for key, value in pairs(changes) do switches[key] = value end
  return switches
end

local P1 <const> = with { simd = true, pool = true, weight_cache = true }

local function names(steps)
  local list = {}
  for i, step in ipairs(steps) do list[i] = step.name end
  return table.concat(list, "; ")
end

tap.test("one switch a step, in a fixed order, and the last step is the preset", function()
  local finish = with { simd = true, pool = true, fused_matmul = true, repack = true,
                        key_type = "f16", value_type = "f16", threads = 4 }
  local steps = waterfall.steps(P0, P1, finish)
  tap.equal(names(steps), "p0; + simd; + pool; + weight_cache; + fused_matmul, no weight_cache; "
            .. "+ repack; + key f16, value f16; + threads 4")
  for key, value in pairs(finish) do tap.equal(steps[#steps].switches[key], value, key) end
  for key, value in pairs(P0) do tap.equal(steps[1].switches[key], value, key) end
end)

tap.test("without fused products the weight cache stays when the preset has it", function()
  tap.equal(names(waterfall.steps(P0, P1, P1)), "p0; + simd; + pool; + weight_cache")
  tap.equal(names(waterfall.steps(P0, P1, with { simd = true, pool = true })),
            "p0; + simd; + pool; + weight_cache; + no weight_cache")
end)

tap.test("switches that are not known come last, by name", function()
  tap.equal(names(waterfall.steps(P0, P1, with { zeal = true, lookup = true, simd = true,
                                                 fused_matmul = true, pool = true })),
            "p0; + simd; + pool; + weight_cache; + fused_matmul, no weight_cache; + lookup; "
            .. "+ zeal")
end)

tap.test("from a preset to itself is the start alone", function()
  tap.equal(names(waterfall.steps(P0, P0, P0)), "p0")
end)

tap.test("each switch is turned on alone, with what it cannot do without in its base", function()
  local finish = with { simd = true, pool = true, fused_matmul = true, fused_attention = true,
                        repack = true, key_type = "f16", value_type = "f16" }
  local start = with { fused_attention = false }
  local on, off = waterfall.alone(start, with { weight_cache = true, fused_attention = false },
                                  finish)
  tap.equal(names(on), "p0; + simd; + pool; + weight_cache; + fused_matmul (on pool); "
            .. "+ fused_attention; + repack (on fused_matmul, pool); "
            .. "+ fused_attention, fused_matmul, pool; "
            .. "+ key f16, value f16 (on fused_attention, fused_matmul, pool)")
  tap.equal(on[5].base.name, "+ pool")
  tap.equal(on[2].base.name, "p0")
  tap.equal(on[9].base.switches.fused_attention, true)
  tap.equal(on[9].base.switches.key_type, "f32")
  tap.equal(names(off), "all; - no simd; - no pool, nor what needs it; "
            .. "- no fused_matmul, nor what needs it; - no fused_attention, nor what needs it; "
            .. "- no repack; - key f32, value f32")
  tap.equal(table.concat(off[3].gone, " "), "fused_matmul key_type repack value_type")
  tap.equal(off[3].switches.key_type, "f32")
  tap.equal(table.concat(off[5].gone, " "), "key_type value_type")
  for _, step in ipairs(off) do tap.equal(step.base.name, "all") end
end)

tap.test("between a preset and itself there is nothing to turn", function()
  local on, off = waterfall.alone(P0, P0, P0)
  tap.equal(names(on) .. names(off), "p0all")
end)

tap.done()

-- woolly-lua docs/examples/work.lua: how much work is a token, and how many a second does a machine
-- allow? With the figures of a machine you know, no measurement is needed.
local engine = require "woolly.engine"
local work   = require "woolly.work"

-- One thread that reads 20 GB/s and multiplies 30 (F32), 100 (bytes) or 150 (weights of 4 bits) 10^9 pairs
-- a second.
local machine = { threads = { ["1"] = { capacity = {}, dram = 20, f32 = 30, int8 = 100, int4 = 150 } } }

local model <close> = assert(engine.load(assert(engine.synth "tiny-q4_0")))
local context <close> = assert(model:context { preset = "p3", n_ctx = 128 })
print("multiplied as", work.arithmetic(context:switches(), model:info().type)) --> int4
print("whole bytes would be", work.integers "Q8_0") --> int8

-- Decode reads all weights for every token; a prompt reads them once for all of its tokens.
for name, unit in pairs {
  decode = work.decode(model, context, { n_prompt = 64, n_tokens = 64 }),
  prefill = work.prefill(model, context, 64),
} do
  local rate, by = work.limit(machine, unit)
  print(string.format("%s: %.0f bytes, %.0f multiply-adds a token; at most %.0f a second: %s",
                      name, unit.bytes, unit.macs, assert(rate, by), by)) --> decode:
end

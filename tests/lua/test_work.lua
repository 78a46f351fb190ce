--- What roofs allow: on machines with made-up figures.
local roofs = require "woolly.roofs"
local tap = require "tap"
local work = require "woolly.work"

local KIB <const>, MIB <const> = 1024, 1048576

local function machine()
  return { fingerprint = "f", method = 1, measured = "2026-01-01", threads = {
    ["2"] = { l1 = 400, l2 = 200, l3 = 100, dram = 20, f32 = 100, int8 = 400, int4 = 600,
              capacity = { l1 = 64 * KIB, l2 = 2 * MIB, l3 = 32 * MIB } },
  } }
end

tap.test("a model larger than all caches is read from memory", function()
  local limit, by = work.limit(machine(), { bytes = 500e6, threads = 2 })
  tap.near(limit, 40, 1e-9)
  tap.equal(by, "DRAM 20.0 GB/s, 2 threads")
end)

tap.test("a model that a cache holds is read from there", function()
  local limit, by = work.limit(machine(), { bytes = 60e3, threads = 2 })
  tap.near(limit, 400e9 / 60e3, 1)
  tap.equal(by, "L1 400.0 GB/s, 2 threads")
  limit, by = work.limit(machine(), { bytes = 1e6, threads = 2 })
  tap.near(limit, 200e9 / 1e6, 1, "L1 holds too little of it to count")
  tap.contains(by, "L2 200.0")
end)

tap.test("a cache serves the part of a model that it holds", function()
  local bytes = 64 * MIB
  local limit, by = work.limit(machine(), { bytes = bytes, threads = 2 })
  tap.near(limit, 1 / (32 * MIB / 100e9 + 32 * MIB / 20e9), 1e-6)
  tap.equal(by, "L3 100.0 + DRAM 20.0 GB/s, 2 threads")
  limit = work.limit(machine(), { bytes = 129 * MIB, threads = 2 })
  tap.near(limit, 20e9 / (129 * MIB), 1e-6, "less than a quarter")
end)

tap.test("the lower roof counts", function()
  local unit = { bytes = 1e6, footprint = 500e6, macs = 1e9, threads = 2 }
  local limit, by = work.limit(machine(), unit)
  tap.near(limit, 100, 1e-9)
  tap.equal(by, "f32 100 GMAC/s, 2 threads")
  unit.arithmetic = "int8"
  tap.near((work.limit(machine(), unit)), 400, 1e-9)
  unit.bytes = 100e6
  tap.near((work.limit(machine(), unit)), 200, 1e-9, "memory")
end)

tap.test("what was not measured has a reason", function()
  local limit, reason = work.limit(machine(), { bytes = 1, threads = 4 })
  tap.equal(limit, nil)
  tap.contains(reason, "4 threads")
  local without = machine()
  without.threads["2"].dram = nil
  limit, reason = work.limit(without, { bytes = 1e9, threads = 2 })
  tap.equal(limit, nil)
  tap.contains(reason, "memory")
  limit, reason = work.limit(machine(), { bytes = 0, threads = 2 })
  tap.equal(limit, nil)
  tap.equal(reason, "no work")
end)

--- 2 layers of one 8 x 16 matrix and a norm, 10 tokens of vocabulary; Q8_0 bytes.
local function fake(tied)
  local tensors = { { name = "token_embd.weight", type = "Q8_0", shape = { 8, 10 }, bytes = 85 } }
  if not tied then
    tensors[2] = { name = "output.weight", type = "Q8_0", shape = { 8, 10 }, bytes = 90 }
  end
  for i = 0, 1 do
    local name = "blk." .. i
    tensors[#tensors + 1] = { name = name .. ".w.weight", type = "Q8_0", shape = { 8, 16 },
                              bytes = 136 }
    tensors[#tensors + 1] = { name = name .. ".norm.weight", type = "F32", shape = { 8 },
                              bytes = 32 }
  end
  local model = { tensors = function() return tensors end,
                  info = function() return { type = "Q8_0", bytes_per_token = 430 } end }
  local context = { memory = function() return { kv_bytes = 6400 } end,
                    n_ctx = function() return 64 end,
                    switches = function() return { threads = 2, simd = true } end }
  return model, context
end

tap.test("a decoded token reads the weights, and the cache to the window's middle", function()
  local model, context = fake(false)
  local unit = work.decode(model, context, { n_prompt = 10, n_tokens = 20 })
  tap.equal(unit.bytes, 430 + 100 * 20.0)
  tap.equal(unit.macs, 2 * 128 + 80)
  tap.equal(unit.threads, 2)
  tap.equal(unit.arithmetic, "f32")
end)

tap.test("a token of a prompt has its products and a part of the weights", function()
  for _, tied in ipairs { false, true } do
    local model, context = fake(tied)
    local unit = work.prefill(model, context, 10)
    local bytes = 2 * (136 + 32) + (tied and 85 or 90)
    tap.equal(unit.footprint, bytes)
    tap.near(unit.bytes, bytes / 10, 1e-9)
    tap.near(unit.macs, 2 * 128 + 80 / 10, 1e-9, "the output matrix runs once")
  end
end)

tap.test("floating point models are multiplied as float32, others as the switches say", function()
  tap.equal(work.arithmetic({ simd = true }, "Q4_0"), "f32")
  tap.equal(work.arithmetic({ simd = true, fused_matmul = true }, "Q4_0"), "int4")
  tap.equal(work.arithmetic({ simd = true, fused_matmul = true }, "Q6_K"), "int4")
  for _, type in ipairs { "Q8_0", "IQ4_NL", "IQ4_XS" } do
    tap.equal(work.arithmetic({ simd = true, fused_matmul = true }, type), "int8")
  end
  tap.equal(work.arithmetic({ simd = true, fused_matmul = true }, "F16"), "f32")
end)

tap.test("thread counts double, and end with all", function()
  for n, wanted in pairs { [0] = "1", "1", "1 2", "1 2 3", "1 2 4", [6] = "1 2 4 6",
                           [8] = "1 2 4 8" } do
    tap.equal(table.concat(roofs.thread_counts(n), " "), wanted)
  end
end)

tap.test("of two measurements the best of each figure is kept", function()
  local new = machine()
  new.threads["2"].dram, new.threads["2"].l1, new.threads["4"] = 25, 300, { dram = 1 }
  local merged = roofs.merge(machine(), new)
  tap.equal(merged.threads["2"].dram, 25)
  tap.equal(merged.threads["2"].l1, 400)
  tap.equal(merged.threads["4"].dram, 1)
  tap.equal(merged.threads["2"].capacity.l1, 64 * KIB)
end)

tap.done()

-- woolly-lua docs/examples/roofline.lua: what this machine can do at most, measured right here.
-- Scenarios ask woolly.roofs instead, which keeps the figures of a longer measurement.
local roofline = require "woolly.roofline"

local isas = roofline.isas() -- lowest first
print("instruction sets", table.concat(isas, " ")) --> scalar
print("method", roofline.method())

-- Multiply-adds with the best of them, one thread: 10^9 a second.
local arithmetic = assert(roofline.measure { what = "f32", samples = 3, sample_ms = 1 })
print(string.format("%s: %.1f Gmac/s of F32", isas[#isas], arithmetic.best))

-- How fast one thread reads from each level that exists here: 10^9 bytes a second.
for level, set in pairs(roofline.sets(1)) do
  if level ~= "dram" then -- a working set beyond all caches takes longer than an example may
    local read = assert(roofline.measure { what = "read", bytes = set.bytes, samples = 3,
                                           sample_ms = 1 })
    print(string.format("%s: %.1f GB/s in %d bytes", level, read.best, set.bytes))
  end
end

-- woolly.roofline: what a script sees of the measured roofs. No speed is asserted.
local tap      = require "tap"
local roofline = require "woolly.roofline"

tap.test("instruction sets begin with scalar", function()
  local isas = roofline.isas()
  tap.equal(isas[1], "scalar")
  tap.equal(math.type(roofline.method()), "integer")
end)

tap.test("working sets are told by level", function()
  local sets = roofline.sets(2)
  tap.truthy(sets.dram.bytes >= 4096, "dram")
  tap.equal(sets.dram.capacity, nil, "memory has no end")
  for level, set in pairs(sets) do
    tap.equal(math.type(set.bytes), "integer", level)
    tap.truthy(level == "dram" or set.capacity >= set.bytes, level)
  end
  tap.raises(function() roofline.sets(0) end, "1..65536")
end)

tap.test("each kind of measurement yields its samples and the best of them", function()
  for _, what in ipairs { "read", "f32", "int8", "int4" } do
    for _, isa in ipairs(roofline.isas()) do
      local found = assert(roofline.measure { what = what, isa = isa, threads = 2, bytes = 65536,
                                              samples = 3, sample_ms = 0.1 })
      tap.equal(#found.samples, 3, what)
      tap.equal(found.best, math.max(table.unpack(found.samples)), what .. " " .. isa)
      tap.truthy(found.best > 0 and found.best < math.huge, what)
    end
  end
end)

tap.test("wrong options raise, what the machine lacks is unavailable", function()
  tap.raises(function() roofline.measure {} end, "what")
  tap.raises(function() roofline.measure { what = "f64" } end, "read, f32, int8, int4")
  tap.raises(function() roofline.measure { what = "read" } end, "bytes")
  tap.raises(function() roofline.measure { what = "f32", thread = 1 } end, "threads")
  local none, message, code = roofline.measure { what = "f32", isa = "mmx" }
  tap.equal(none, nil)
  tap.contains(message, "mmx")
  tap.equal(code, "unavailable")
end)

tap.done()

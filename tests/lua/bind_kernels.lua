-- woolly.kernels: every form of every type computes the product, and fused attention agrees with
-- the naive way. No speed is asserted.
local engine  = require "woolly.engine"
local kernels = require "woolly.kernels"
local tap     = require "tap"

local function matmul(options)
  options.samples, options.min_ms = 2, 0.01
  return kernels.matmul(options)
end

tap.test("every form of every type gives the product, with odd rows and tokens", function()
  for _, type in ipairs(engine.types()) do
    local forms = assert(kernels.forms(type))
    tap.equal(forms[1], "float", type)
    for _, form in ipairs(forms) do
      for _, n_tokens in ipairs { 1, 3, 21 } do
        local what = string.format("%s %s %d", type, form, n_tokens)
        local found = assert(matmul { type = type, form = form, rows = 83, cols = 512,
                                      n_tokens = n_tokens, threads = n_tokens % 2 + 1 })
        tap.equal(#found.ns, 2, what)
        tap.truthy(found.ns[1] > 0, what)
        tap.equal(found.macs, 83 * 512 * n_tokens, what)
        tap.truthy(found.nmse <= (form == "float" and 1e-10 or 5e-4),
                   what .. ": NMSE " .. found.nmse)
      end
    end
  end
end)

tap.test("copies of the weights take turns until the footprint is reached", function()
  local one = assert(matmul { type = "Q4_0", rows = 64, cols = 256 })
  tap.equal(one.footprint, one.weight_bytes)
  local many = assert(matmul { type = "Q4_0", rows = 64, cols = 256, footprint = 100000 })
  tap.truthy(many.footprint >= 100000 and many.footprint < 100000 + one.weight_bytes, "footprint")
end)

tap.test("every instruction set multiplies and attends alike", function()
  for _, isa in ipairs(engine.isas()) do
    local found = assert(matmul { type = "Q4_K", isa = isa, rows = 40, cols = 512, n_tokens = 9 })
    tap.equal(found.isa, isa)
    tap.truthy(found.nmse <= 5e-4, isa)
    local attended = assert(kernels.attention { isa = isa, n_head = 4, n_head_kv = 2, head_dim = 32,
                                                n_past = 33, samples = 1, min_ms = 0.01 })
    tap.truthy(attended.nmse <= 1e-10, isa)
  end
end)

tap.test("fused attention agrees with the naive way, in parts and with shared heads", function()
  local most = { f32 = 1e-10, f16 = 1e-6, q8_0 = 1e-3, q4_0 = 5e-2 }
  for _, shape in ipairs { { 1, 0 }, { 1, 2100 }, { 40, 0 }, { 33, 1100 } } do
    for _, heads in ipairs { { 2, 2 }, { 6, 2 } } do
      for kind, limit in pairs(most) do
        local found = assert(kernels.attention {
          n_tokens = shape[1], n_past = shape[2], n_head = heads[1], n_head_kv = heads[2],
          head_dim = 32, key_type = kind, value_type = kind, threads = 2, samples = 1,
          min_ms = 0.01, footprint = 1000000 })
        tap.truthy(found.nmse <= limit, string.format("%s, %d tokens behind %d: NMSE %g",
                                                      kind, shape[1], shape[2], found.nmse))
        tap.truthy(#found.naive_ns == 1 and found.fused_ns[1] > 0, kind)
        tap.truthy(found.fused_bytes <= found.naive_bytes, kind)
      end
    end
  end
end)

tap.test("wrong options raise, what is absent says so", function()
  tap.raises(function() kernels.matmul {} end, "type")
  tap.raises(function() kernels.matmul { type = "Q4_0" } end, "rows")
  tap.raises(function() kernels.matmul { type = "Q4_0", rows = 8, cols = 32, form = "x" } end,
             "float, rows, packed")
  tap.raises(function() kernels.attention { n_head = 4 } end, "head_dim")
  for _, case in ipairs {
    { { type = "Q9_9", rows = 8, cols = 32 }, "input", "Q9_9" },
    { { type = "Q4_K", rows = 8, cols = 96 }, "input", "multiple of 256" },
    { { type = "F32", rows = 8, cols = 32, form = "packed" }, "unavailable", "packed" },
  } do
    local none, message, code = kernels.matmul(case[1])
    tap.equal(none, nil)
    tap.equal(code, case[2])
    tap.contains(message, case[3])
  end
  local none, message, code = kernels.attention { n_head = 6, n_head_kv = 4, head_dim = 32 }
  tap.equal(none, nil)
  tap.equal(code, "input")
  tap.contains(message, "multiple")
  none, message = kernels.attention { n_head = 2, n_head_kv = 2, head_dim = 8, key_type = "q4_0" }
  tap.equal(none, nil)
  tap.contains(message, "32")
end)

tap.done()

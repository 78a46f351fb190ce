-- woolly-lua docs/examples/kernels.lua: single kernels of the engine on random data.
local kernels = require "woolly.kernels"

-- The forms that weights of a type can be multiplied in, and what each makes of one small matrix.
local fastest = {}
for _, form in ipairs(assert(kernels.forms "Q4_0")) do
  -- Computed once more in F64 and compared before it is timed: nmse is the error of the product.
  local found = assert(kernels.matmul { type = "Q4_0", form = form, rows = 256, cols = 512,
                                        samples = 3, min_ms = 0.2 })
  assert(found.nmse < 1e-3, form)
  table.sort(found.ns)
  fastest[form] = found.ns[1]
  print(string.format("%-7s %-10s %7.1f us  %.2f GB/s of weights", form, found.isa,
                      found.ns[1] / 1e3, found.weight_bytes / found.ns[1]))
end
print(string.format("fused: %.1f times as fast as decoding to F32", fastest.float / fastest.rows))

-- One layer's attention behind 256 tokens, all scores at once and fused, in turns.
local found = assert(kernels.attention { n_head = 8, n_head_kv = 2, head_dim = 64, n_past = 256,
                                         key_type = "f16", value_type = "f16", samples = 3,
                                         min_ms = 0.2 })
print(string.format("attention: %.1f us, fused %.1f us", found.naive_ns[1] / 1e3,
                    found.fused_ns[1] / 1e3)) --> attention:

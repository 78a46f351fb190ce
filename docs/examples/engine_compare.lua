-- woolly-lua docs/examples/engine_compare.lua: presets, precision, single kernels.
local engine = require "woolly.engine"

local build = engine.build_info()
print(build.version, build.build_type, build.sanitizers) -- a figure without these means little
print("instruction sets", table.concat(engine.isas(), " ")) --> scalar
print("best", engine.best_isa(), "F32 lanes", engine.lanes(engine.best_isa()))

-- A preset is a set of switches; presets are cumulative.
for _, name in ipairs(engine.presets()) do
  local switches = assert(engine.preset(name))
  print(name, "fused products: " .. tostring(switches.fused_matmul)) --> p2	fused products: true
end

local model <close> = assert(engine.load(assert(engine.synth "tiny-q4_0")))
local ids = assert(model:tokenize("The same text through both, logits compared at every place."))

-- Is the fast way right? Both run the same ids; nothing is timed before this holds.
local plain <close> = assert(model:context { preset = "p0", n_ctx = 64 })
local fast <close> = assert(model:context { preset = "p5", n_ctx = 64 })
local difference = assert(fast:compare(plain, ids))
print(string.format("KLD %.2g, the same first choice in %.0f %%", difference.kld_mean,
                    100 * difference.top1))
assert(difference.finite and difference.kld_mean < 0.01)

-- The same against logits that were kept in a file: raw float32 rows.
local file = os.tmpname()
assert(plain:prefill(ids, { logits_file = file }))
assert(assert(plain:compare_file(file, ids)).max_abs == 0)
os.remove(file)

-- What a smaller KV cache costs in quality, as llama-perplexity counts it.
for _, kv_type in ipairs { "f32", "q4_0" } do
  local context <close> = assert(model:context { preset = "p3", kv_type = kv_type, n_ctx = 16 })
  local found = assert(context:perplexity(ids, { n_ctx = 16 }))
  print(string.format("KV cache %-5s perplexity %.3f of %d tokens", kv_type, found.perplexity,
                      found.n_scored)) --> KV cache f32
end

-- Two sequences in one pass over the weights, each saying what it says alone.
local other <close> = assert(model:context { preset = "p5", n_ctx = 64 })
fast:clear()
assert(fast:prefill { ids[1], ids[2] })
assert(other:prefill { ids[1], ids[3] })
local both = assert(engine.decode_together({ fast, other }, { n_tokens = 4 }))
assert(#both.tokens == 2 and #both.tokens[1] == 4)

-- Single kernels: every tensor type, raw blocks to float32, and its rate.
print("types", table.concat(engine.types(), " ")) --> Q4_0
local block = string.pack("<I2", 0x3c00) .. ("\x99"):rep(16) -- Q4_0: scale 1.0, 32 times 9 - 8
local values = assert(engine.dequantize("Q4_0", block))
assert(string.unpack("<f", values) == 1.0 and #values == 32 * 4)
local rate = assert(engine.bench_dequantize { type = "Q4_0", min_ms = 0.2, samples = 3 })
print(string.format("%s: %.1f GB/s of F32 written", rate.isa, rate.gb_per_second[1]))

-- What the loop itself costs: the same decode around an engine that does nothing.
local nothing = engine.null_decode { n_tokens = 1000 }
print("ns a token without an engine", (nothing.times_ns[1000] - nothing.start_ns) // 1000)

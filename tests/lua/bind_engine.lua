-- The module woolly.engine as a script sees it, on the bundled model.
local tap     = require "tap"
local engine  = require "woolly.engine"
local process = require "woolly.process"

local source <const> = process.env("WOOLLY_SOURCE") or "."
local MODEL <const> = source .. "/tests/fixtures/stories260K.f32.gguf"
local QUANTISED <const> = source .. "/tests/fixtures/stories260K.q4_0.gguf"

local folder = os.tmpname()
os.remove(folder)
assert(process.make_folders(folder))

local function fails(code, part, value, message, found)
  tap.equal(value, nil, "value")
  tap.contains(message, part)
  tap.equal(found, code, "code")
end

local function contains(list, word)
  for _, item in ipairs(list) do
    if item == word then return true end
  end
  return false
end

local function file(name, text)
  assert(process.write_file(folder .. "/" .. name, text))
  return folder .. "/" .. name
end

-- ---- functions ----

tap.test("presets are listed in order and have every switch", function()
  local names = engine.presets()
  tap.equal(names[1], "p0")
  tap.equal(names[2], "p1")
  for _, name in ipairs(names) do
    local switches = assert(engine.preset(name))
    for _, key in ipairs { "simd", "weight_cache", "pool", "fused_matmul", "fused_attention",
                           "repack", "huge_pages" } do
      tap.equal(type(switches[key]), "boolean", name .. "." .. key)
    end
    tap.truthy(contains(engine.isas(), switches.backend), "backend")
    tap.truthy(switches.threads >= 1, "threads")
    tap.equal(switches.key_type, switches.value_type)
    tap.truthy(switches.weight_cache_mb >= 0, "weight_cache_mb")
  end
  tap.equal(engine.preset("p0").simd, false)
  tap.equal(engine.preset("p1").pool, true)
  tap.equal(engine.preset("p2").fused_matmul, true)
  tap.equal(engine.preset("p3").repack, true)
  fails("input", "p0", engine.preset("p99"))
  tap.raises(function() engine.preset() end, "string expected")
end)

tap.test("instruction sets have names and lanes", function()
  local isas = engine.isas()
  tap.equal(isas[1], "scalar")
  tap.truthy(contains(isas, engine.best_isa()), "best")
  tap.equal(engine.lanes("scalar"), 1)
  tap.equal(engine.lanes("avx2"), 8)
  tap.equal(engine.lanes("best"), engine.lanes(engine.best_isa()))
  tap.raises(function() engine.lanes("avx3") end, "unknown isa")
end)

tap.test("tensor types are listed by id, build facts are strings", function()
  local types = engine.types()
  tap.equal(types[1], "F32")
  for _, name in ipairs { "F16", "BF16", "Q4_0", "Q8_0", "Q4_K", "Q6_K", "IQ4_XS" } do
    tap.truthy(contains(types, name), name)
  end
  local facts = engine.build_info()
  tap.truthy(facts.version:match("^%d+%.%d+%.%d+"), "version")
  for _, key in ipairs { "commit", "compiler", "flags", "build_type", "sanitizers" } do
    tap.equal(type(facts[key]), "string", key)
  end
  tap.contains(engine.synth_help(), "tiny")
end)

tap.test("dequantize turns whole blocks into float32", function()
  local halves = string.pack("<I2I2", 0x3C00, 0xC000) -- 1 and -2
  local f32 = assert(engine.dequantize("F16", halves, "scalar"))
  tap.equal(string.unpack("<f", f32), 1.0)
  tap.equal(string.unpack("<f", f32, 5), -2.0)
  local block = string.pack("<I2", 0x3C00) .. ("\x98"):rep(16) -- Q4_0, d = 1: low 8, high 9
  f32 = assert(engine.dequantize("q4_0", block))
  tap.equal(#f32, 32 * 4)
  tap.equal(string.unpack("<f", f32), 0.0)
  tap.equal(string.unpack("<f", f32, 16 * 4 + 1), 1.0)
  for _, isa in ipairs(engine.isas()) do
    tap.equal(engine.dequantize("Q4_0", block, isa), f32, isa)
  end
  tap.equal(engine.dequantize("Q4_0", ""), "")
end)

tap.test("dequantize refuses other types, partial blocks and absent instruction sets", function()
  fails("input", "allowed are", engine.dequantize("Q9_9", ""))
  fails("input", "no whole Q4_0 blocks of 18 bytes", engine.dequantize("Q4_0", "12345"))
  fails("input", "avx3", engine.dequantize("Q4_0", "", "avx3"))
  for _, isa in ipairs { "neon", "avx2" } do
    if not contains(engine.isas(), isa) then
      fails("unavailable", isa, engine.dequantize("Q4_0", "", isa))
    end
  end
  tap.raises(function() engine.dequantize("Q4_0") end, "string expected")
end)

tap.test("bench_dequantize gives one figure per sample", function()
  local result = assert(engine.bench_dequantize {
    type = "Q4_0", isa = "scalar", n_values = 4096, min_ms = 0.05, samples = 3 })
  tap.equal(#result.ns_per_value, 3)
  tap.equal(#result.gb_per_second, 3)
  tap.near(result.gb_per_second[2] * result.ns_per_value[2], 4, 1e-9)
  tap.equal(result.isa, "scalar")
  tap.equal(result.lanes, 1)
  fails("input", "allowed are", engine.bench_dequantize { type = "X" })
  fails("input", "isa", engine.bench_dequantize { type = "Q4_0", isa = "x" })
  tap.raises(function() engine.bench_dequantize {} end, "'type' is required")
  tap.raises(function() engine.bench_dequantize { type = "Q4_0", sample = 1 } end, "'samples'")
  tap.raises(function() engine.bench_dequantize { type = "Q4_0", samples = 0 } end, "allowed")
  tap.raises(function() engine.bench_dequantize { type = "Q4_0", min_ms = 0 / 0 } end, "allowed")
  tap.raises(function() engine.bench_dequantize() end, "table expected")
end)

tap.test("the null engine fills tokens and rising times", function()
  local result = engine.null_decode { n_tokens = 100 }
  tap.equal(#result.tokens, 100)
  tap.equal(#result.times_ns, 100)
  tap.equal(result.finish_reason, "length")
  local last = result.start_ns
  for i = 1, 100 do
    tap.truthy(result.times_ns[i] >= last, "order")
    last = result.times_ns[i]
  end
  tap.raises(function() engine.null_decode {} end, "'n_tokens' is required")
  tap.raises(function() engine.null_decode { n_tokens = 0 } end, "allowed 1..")
  tap.raises(function() engine.null_decode { n_tokens = 1 << 40 } end, "allowed 1..")
end)

-- ---- models ----

tap.test("a model tells what it is, mapped or read", function()
  for _, mmap in ipairs { true, false } do
    local model <close> = assert(engine.load(MODEL, { mmap = mmap }))
    local info = model:info()
    tap.equal(info.path, MODEL)
    tap.equal(info.arch, "llama")
    tap.equal(info.type, "F32")
    tap.equal(info.mapped, mmap)
    tap.equal(info.n_vocab, 512)
    tap.equal(info.n_embd, info.n_head * info.head_dim)
    tap.equal(info.bos, 1)
    tap.equal(info.eos, 2)
    tap.equal(info.adds_bos, true)
    tap.equal(info.tokenizer, "spm")
    tap.equal(math.type(info.n_params), "integer")
    tap.truthy(info.bytes_per_token < info.weight_bytes, "bytes per token")
    tap.truthy(info.rms_eps > 0 and info.rms_eps < 1e-3, "rms_eps")
    tap.equal(info.rope_scaling, "none")
    tap.equal(info.gguf_version, 3)
    tap.equal(#assert(process.read_file(MODEL)), info.file_bytes)
  end
end)

tap.test("metadata and tensors are listed in file order", function()
  local model <close> = assert(engine.load(MODEL))
  local by_key = {}
  for _, entry in ipairs(model:metadata()) do by_key[entry.key] = entry end
  tap.equal(by_key["general.architecture"].value, "llama")
  tap.equal(by_key["general.architecture"].type, "string")
  tap.equal(by_key["llama.block_count"].value, model:info().n_layer)
  tap.equal(by_key["tokenizer.ggml.tokens"].type, "array")
  tap.equal(by_key["tokenizer.ggml.tokens"].value, "string[512]")
  local bytes, embedding = 0, nil
  for _, tensor in ipairs(model:tensors()) do
    bytes = bytes + tensor.bytes
    if tensor.name == "token_embd.weight" then embedding = tensor end
  end
  tap.equal(embedding.type, "F32")
  tap.equal(embedding.shape[1], model:info().n_embd)
  tap.equal(embedding.shape[2], 512)
  tap.equal(bytes, model:info().weight_bytes)
end)

tap.test("text becomes ids and text again", function()
  local model <close> = assert(engine.load(MODEL))
  local ids = assert(model:tokenize("Once upon a time"))
  tap.equal(ids[1], 1)
  tap.contains(model:detokenize(ids), "Once upon a time")
  tap.equal(#model:tokenize("Once upon a time", { bos = false }), #ids - 1)
  tap.equal(#model:tokenize(""), 1)
  tap.equal(#model:tokenize("", { bos = false }), 0)
  tap.equal(model:detokenize {}, "")
  tap.truthy(utf8.len(model:detokenize { 200, 150, 131, 250 }), "valid UTF-8")
  tap.truthy(#model:tokenize("a\0b\xFF") > 1, "any bytes")
  tap.raises(function() model:detokenize { 512 } end, "token ids are 0..511")
  tap.raises(function() model:detokenize { -1 } end, "element 1")
  tap.raises(function() model:detokenize { "1" } end, "integer")
  tap.raises(function() model:tokenize("x", { box = true }) end, "did you mean 'bos'")
  tap.raises(function() model:tokenize() end, "string expected")
end)

tap.test("a model file is checked, unchanged, and has a digest that is kept", function()
  local copy = file("copy.gguf", assert(process.read_file(MODEL)))
  local model <close> = assert(engine.load(copy, { mmap = false }))
  tap.equal(model:check(), true)
  tap.equal(model:unchanged(), true)
  local digest = assert(model:sha256())
  tap.truthy(digest:match("^%x+$") and #digest == 64, "hex digits")
  tap.equal(model:sha256(), digest)
  local tool = process.run { "sha256sum", copy }
  if tool then tap.equal(digest, tool.out:match("^%x+")) end
  file("copy.gguf", "other")
  tap.equal(model:unchanged(), false)
  fails("input", "changed on disk", model:sha256())
end)

tap.test("files that are no model are refused with the reason", function()
  fails("input", "absent.gguf", engine.load(folder .. "/absent.gguf"))
  fails("input", "text.gguf", engine.load(file("text.gguf", "not a model")))
  fails("input", "empty.gguf", engine.load(file("empty.gguf", "")))
  fails("input", folder, engine.load(folder))
  local whole = assert(process.read_file(MODEL))
  fails("input", "cut.gguf", engine.load(file("cut.gguf", whole:sub(1, #whole // 2))))
  tap.raises(function() engine.load() end, "string expected")
  tap.raises(function() engine.load(MODEL, { mmap = "yes" }) end, "true or false is required")
  tap.raises(function() engine.load(MODEL, { mmpa = true }) end, "did you mean 'mmap'")
end)

tap.test("a NaN among the weights is found by name", function()
  local whole = assert(process.read_file(MODEL))
  local offset
  do
    local model <close> = assert(engine.load(MODEL))
    for _, tensor in ipairs(model:tensors()) do
      if tensor.name == "output_norm.weight" then offset = tensor.offset end
    end
  end
  local bad = whole:sub(1, offset) .. string.pack("<f", 0 / 0) .. whole:sub(offset + 5)
  local model <close> = assert(engine.load(file("nan.gguf", bad)))
  fails("input", "output_norm.weight", model:check())
end)

tap.test("a closed model raises everywhere, closing twice is fine", function()
  local model = assert(engine.load(MODEL))
  model:close()
  model:close()
  for _, method in ipairs { "info", "metadata", "tensors", "tokenize", "detokenize", "context",
                            "check", "unchanged", "sha256" } do
    tap.raises(function() model[method](model, "x") end, "model is closed")
  end
  tap.raises(function() model.info({}) end, "woolly.engine.Model expected")
end)

-- ---- contexts ----

tap.test("closing a model with open contexts raises, afterwards it works", function()
  local model = assert(engine.load(MODEL))
  local a, b = assert(model:context { n_ctx = 8 }), assert(model:context { n_ctx = 8 })
  tap.raises(function() model:close() end, "2 open contexts")
  a:close()
  tap.raises(function() model:close() end, "1 open context;")
  a:close()
  b:close()
  model:close()
end)

tap.test("a context keeps its model alive, and the collector may take both", function()
  local context = assert(assert(engine.load(MODEL)):context { n_ctx = 8 })
  collectgarbage()
  collectgarbage()
  tap.equal(assert(context:prefill { 1 }).n_tokens, 1)
  for _ = 1, 20 do
    local other = assert(assert(engine.load(MODEL)):context { n_ctx = 8 })
    tap.equal(other:n_ctx(), 8)
  end
  collectgarbage()
end)

local model = assert(engine.load(MODEL))

tap.test("the switches of a preset can be changed one by one", function()
  local context <close> = assert(model:context {
    preset = "p0", simd = true, backend = "scalar", weight_cache = true, weight_cache_mb = 1.5,
    pool = true, threads = 1, n_ctx = 32, n_batch = 4 })
  local switches = context:switches()
  tap.equal(switches.simd, true)
  tap.equal(switches.backend, "scalar")
  tap.equal(switches.weight_cache, true)
  tap.equal(switches.weight_cache_mb, 1.5)
  tap.equal(switches.pool, true)
  tap.equal(switches.threads, 1)
  local auto <close> = assert(model:context { backend = "auto", n_ctx = 32 })
  tap.equal(auto:switches().backend, engine.best_isa())
  local p0 <close> = assert(model:context { preset = "p0", n_ctx = 32 })
  tap.equal(p0:switches().simd, false)
  local default <close> = assert(model:context())
  tap.equal(default:switches().simd, engine.preset("p1").simd)
  tap.equal(default:n_ctx(), math.min(model:info().n_ctx_train, 4096))
  local from_table <close> = assert(model:context(engine.preset("p0")))
  tap.equal(from_table:switches().pool, false)
end)

tap.test("unknown presets, switches and instruction sets are refused", function()
  fails("input", "p9", model:context { preset = "p9" })
  fails("input", "allowed are auto, scalar, sse4", model:context { backend = "mmx" })
  for _, name in ipairs { "neon", "avx2" } do
    if not contains(engine.isas(), name) then
      fails("unavailable", table.concat(engine.isas(), ", "), model:context { backend = name })
    end
  end
  tap.raises(function() model:context { n_ctxt = 8 } end, "did you mean 'n_ctx'")
  tap.raises(function() model:context { n_ctx = 0 } end, "allowed 1..")
  tap.raises(function() model:context { n_ctx = "8" } end, "integer")
  tap.raises(function() model:context { threads = 0 } end, "allowed 1..")
  tap.raises(function() model:context { weight_cache_mb = -1 } end, "allowed 0..")
  tap.raises(function() model:context { simd = 1 } end, "true or false")
end)

tap.test("prefill and decode advance the context and are timed", function()
  local context <close> = assert(model:context { n_ctx = 32 })
  local ids = assert(model:tokenize("Once upon a time"))
  local prefill = assert(context:prefill(ids))
  tap.equal(prefill.n_tokens, #ids)
  tap.truthy(prefill.end_ns > prefill.start_ns, "time passes")
  tap.equal(context:n_past(), #ids)
  local decoded = assert(context:decode { n_tokens = 8 })
  tap.equal(#decoded.tokens, 8)
  tap.equal(#decoded.times_ns, 8)
  tap.equal(decoded.finish_reason, "length")
  tap.truthy(decoded.times_ns[1] >= decoded.start_ns, "order")
  tap.equal(context:n_past(), #ids + 8)
  context:clear()
  tap.equal(context:n_past(), 0)
  assert(context:prefill(ids))
  tap.equal(table.concat(assert(context:decode { n_tokens = 8 }).tokens, " "),
            table.concat(decoded.tokens, " "), "greedy repeats")
end)

tap.test("decoding in two calls equals one call, and a full context ends it", function()
  local context <close> = assert(model:context { n_ctx = 16 })
  assert(context:prefill { 1 })
  local whole = assert(context:decode { n_tokens = 10 })
  context:clear()
  assert(context:prefill { 1 })
  local a, b = assert(context:decode { n_tokens = 4 }), assert(context:decode { n_tokens = 6 })
  table.move(b.tokens, 1, 6, 5, a.tokens)
  tap.equal(table.concat(a.tokens, " "), table.concat(whole.tokens, " "))
  local full = assert(context:decode { n_tokens = 100 })
  tap.equal(full.finish_reason, "context")
  tap.truthy(#full.tokens < 100 and #full.tokens == #full.times_ns, "cut short")
end)

tap.test("sampling repeats with its seed", function()
  local context <close> = assert(model:context { n_ctx = 64 })
  local function sample(seed)
    context:clear()
    assert(context:prefill { 1 })
    local result = assert(context:decode {
      n_tokens = 40, temperature = 1.5, top_k = 100, top_p = 0.95, min_p = 0.01,
      repetition_penalty = 1.1, seed = seed, stop_at_end = false })
    return table.concat(result.tokens, " ")
  end
  tap.equal(sample(7), sample(7))
  tap.truthy(sample(7) ~= sample(8), "another seed")
end)

tap.test("prompts and decode options are checked", function()
  local context <close> = assert(model:context { n_ctx = 8 })
  tap.raises(function() context:prefill {} end, "at least one token")
  tap.raises(function() context:prefill { 1, 512 } end, "element 2: 512, token ids are 0..511")
  tap.raises(function() context:prefill { 1.5 } end, "integer")
  tap.raises(function() context:prefill("x") end, "table expected")
  tap.raises(function() context:prefill({ 1 }, { logitsfile = "x" }) end, "'logits_file'")
  tap.raises(function() context:decode() end, "table expected")
  tap.raises(function() context:decode {} end, "'n_tokens' is required")
  tap.raises(function() context:decode { n_tokens = 1, temperature = -1 } end, "allowed 0..100")
  tap.raises(function() context:decode { n_tokens = 1, top_p = 0 / 0 } end, "allowed 0..1")
  tap.raises(function() context:decode { n_tokens = 1, top_k = -1 } end, "allowed 0..")
  tap.raises(function() context:decode { n_token = 1 } end, "did you mean 'n_tokens'")
  fails("input", "n_ctx 8", context:prefill { 1, 2, 3, 4, 5, 6, 7, 8, 9 })
  tap.equal(context:n_past(), 0)
end)

tap.test("logits go to a file and compare_file reads them back", function()
  local context <close> = assert(model:context { n_ctx = 16 })
  local ids, path = { 1, 403, 407, 261 }, folder .. "/logits.bin"
  assert(context:prefill(ids, { logits_file = path }))
  tap.equal(#process.read_file(path), 4 * 512 * 4)
  local same = assert(context:compare_file(path, ids))
  tap.equal(same.n_rows, 4)
  tap.equal(same.max_abs, 0)
  tap.equal(same.nmse, 0)
  tap.equal(same.top1, 1)
  tap.equal(same.finite, true)
  tap.equal(context:n_past(), 0)
  fails("input", "bytes, allowed are 6144", context:compare_file(path, { 1, 2, 3 }))
  fails("input", "allowed are", context:compare_file(MODEL, ids))
  fails("input", "absent", context:compare_file(folder .. "/absent", ids))
  fails("environment", "cannot be written",
        context:prefill({ 1 }, { logits_file = folder .. "/no/where" }))
end)

tap.test("two contexts are compared, also of two models", function()
  local p0 <close> = assert(model:context { preset = "p0", n_ctx = 16 })
  local p1 <close> = assert(model:context { preset = "p1", n_ctx = 16 })
  local ids = { 1, 403, 407, 261, 378 }
  local difference = assert(p1:compare(p0, ids))
  tap.equal(difference.n_rows, 5)
  tap.truthy(difference.nmse < 1e-9 and difference.max_abs < 1e-3, "nearly equal")
  tap.equal(difference.top1, 1)
  local self = assert(p1:compare(p1, ids))
  tap.equal(self.max_abs, 0)
  local small = assert(engine.load(QUANTISED))
  local q4 = assert(small:context { n_ctx = 16 })
  local worse = assert(q4:compare(p0, ids))
  tap.truthy(worse.nmse > difference.nmse and worse.nmse < 0.1, "nmse " .. worse.nmse)
  tap.truthy(worse.kld_mean >= 0 and worse.kld_p99 >= worse.kld_mean, "kld")
  q4:close()
  tap.raises(function() p1:compare(q4, ids) end, "context is closed")
  tap.raises(function() p1:compare(model, ids) end, "woolly.engine.Context expected")
  tap.raises(function() p1:compare(p0, {}) end, "at least one token")
end)

tap.test("perplexity reports progress", function()
  local context <close> = assert(model:context { n_ctx = 32 })
  local ids = assert(model:tokenize(("Once upon a time there was a cat. "):rep(10)))
  local calls, last, total = 0, 0, 0
  local result = assert(context:perplexity(ids, {
    n_ctx = 32, on_progress = function(done, of) calls, last, total = calls + 1, done, of end }))
  tap.equal(result.n_chunks, #ids // 32)
  tap.truthy(result.perplexity > 1 and result.perplexity < 512, "perplexity")
  tap.near(math.exp(result.nll_mean), result.perplexity, 1e-6 * result.perplexity)
  tap.truthy(result.n_scored > 0, "scored")
  tap.truthy(calls > 0 and last == total, "progress reaches the end")
  fails("input", "", context:perplexity({ 1, 2, 3 }, { n_ctx = 32 }))
  tap.raises(function() context:perplexity(ids) end, "table expected")
  tap.raises(function() context:perplexity(ids, {}) end, "'n_ctx' is required")
  tap.raises(function() context:perplexity(ids, { n_ctx = 2 }) end, "allowed 4..")
  tap.raises(function() context:perplexity(ids, { n_ctx = 32, on_progress = 1 }) end, "function")
end)

tap.test("an error in a progress callback comes out, and the engine works on", function()
  local context <close> = assert(model:context { n_ctx = 32 })
  local ids = assert(model:tokenize(("Once upon a time there was a cat. "):rep(10)))
  local value, calls = {}, 0
  local ok, err = pcall(context.perplexity, context, ids, { n_ctx = 32, on_progress = function()
    calls = calls + 1
    error(value)
  end })
  tap.equal(ok, false)
  tap.equal(err, value)
  tap.equal(calls, 1)
  assert(context:perplexity(ids, { n_ctx = 32 }))
end)

tap.test("a progress callback cannot use or close the context it reports on", function()
  local context <close> = assert(model:context { n_ctx = 32 })
  local ids = assert(model:tokenize(("Once upon a time there was a cat. "):rep(5)))
  for _, method in ipairs { "close", "clear", "n_past", "counters" } do
    tap.raises(function()
      context:perplexity(ids, { n_ctx = 32, on_progress = function() context[method](context) end })
    end, "in the middle of a call")
  end
  tap.raises(function()
    context:perplexity(ids, { n_ctx = 32, on_progress = function() model:close() end })
  end, "open context")
  tap.equal(context:n_ctx(), 32)
end)

tap.test("counters count tokens and start anew", function()
  local context <close> = assert(model:context { n_ctx = 32 })
  assert(context:prefill { 1, 403 })
  assert(context:decode { n_tokens = 3 })
  local counters = context:counters()
  tap.equal(counters.tokens, 5)
  for _, name in ipairs { "allocations", "allocated_bytes", "cache_hits", "cache_misses",
                          "cache_evictions", "cache_hit_bytes", "cache_lookup_bytes",
                          "cache_bytes", "weight_bytes_read", "kv_bytes_read",
                          "dequantized_values", "minor_faults", "major_faults", "kernel_calls",
                          "scalar_fallbacks" } do
    tap.equal(math.type(counters[name]), "integer", name)
  end
  tap.truthy(counters.weight_bytes_read > 0, "weights")
  context:reset_counters()
  tap.equal(context:counters().tokens, 0)
  local memory = context:memory()
  tap.truthy(memory.kv_bytes >= memory.kv_used_bytes and memory.kv_used_bytes > 0, "cache")
  tap.truthy(memory.scratch_bytes > 0 and memory.cache_bytes >= 0, "scratch")
end)

tap.test("a closed context raises everywhere, closing twice is fine", function()
  local context = assert(model:context { n_ctx = 8 })
  context:close()
  context:close()
  for _, method in ipairs { "prefill", "decode", "compare", "compare_file", "perplexity",
                            "counters", "reset_counters", "memory", "switches", "n_past", "n_ctx",
                            "clear" } do
    tap.raises(function() context[method](context, {}, {}) end, "context is closed")
  end
  tap.raises(function() context.close(model) end, "woolly.engine.Context expected")
end)

tap.test("a deadline cancels engine calls, and they work again after it", function()
  local context <close> = assert(model:context { preset = "p0", n_ctx = 512 })
  local function long()
    while true do
      context:clear()
      assert(context:prefill { 1 })
      assert(context:decode { n_tokens = 500 })
    end
  end
  process.deadline(0.05)
  local ok, _, reason = process.guard(long)
  process.deadline()
  tap.equal(ok, false)
  tap.equal(reason, "timeout")
  context:clear()
  tap.equal(assert(context:prefill { 1 }).n_tokens, 1)
end)

-- ---- synthetic models ----

tap.test("a synthetic model is made once, with progress, and loads", function()
  local calls, last, total = 0, 0, 0
  local path = assert(engine.synth("tiny-q4_0", { folder = folder, on_progress = function(done, of)
    calls, last, total = calls + 1, done, of
  end }))
  tap.contains(path, folder)
  tap.truthy(calls > 0 and last == total, "progress")
  calls = 0
  tap.equal(engine.synth("tiny-q4_0", { folder = folder }), path)
  tap.equal(calls, 0)
  local tiny <close> = assert(engine.load(path))
  local context <close> = assert(tiny:context { n_ctx = 8 })
  tap.equal(#assert(context:prefill { 1 } and context:decode { n_tokens = 3 }).tokens, 3)
end)

tap.test("unknown shapes are refused and a failing callback leaves nothing half-made", function()
  fails("input", "tiny", engine.synth("huge-q4_0", { folder = folder }))
  fails("input", "", engine.synth("tiny", { folder = folder }))
  fails("input", "", engine.synth("", { folder = folder }))
  local before = #process.list_folder(folder)
  tap.raises(function()
    engine.synth("tiny-f16", { folder = folder, on_progress = function() error("stop") end })
  end, "stop")
  local model_path = engine.synth("tiny-f16", { folder = folder })
  tap.truthy(process.exists(model_path), "made later")
  tap.truthy(#process.list_folder(folder) <= before + 1, "nothing else")
  tap.raises(function() engine.synth("tiny-f16", { folders = folder }) end, "'folder'")
  tap.raises(function() engine.synth() end, "string expected")
end)

model:close()
os.execute("rm -rf " .. folder)
tap.done()

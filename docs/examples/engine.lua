-- woolly-lua docs/examples/engine.lua: a model, a prompt, the tokens and what they cost.
local engine = require "woolly.engine"

-- Random weights in the shape of a small model, made once; engine.load takes any GGUF file.
print(engine.synth_help()) --> tiny
local path = assert(engine.synth "tiny-q4_0")
local model <close> = assert(engine.load(path))

local info = model:info()
print(info.arch, info.type, info.n_params) --> Q4_0
print("tensors", #model:tensors(), "metadata", #model:metadata())
assert(model:check()) -- no NaN, no infinity
print("sha256", assert(model:sha256()))

-- Text to token ids and back.
local ids = assert(model:tokenize("Once upon a time"))
print("ids", #ids, model:detokenize(ids)) --> Once upon a time

-- A context is a KV cache with its own switches and counters.
local context <close> = assert(model:context { preset = "p3", n_ctx = 128 })
print("kernels for", context:switches().backend, "room for", context:n_ctx()) --> room for	128

local prompt = assert(context:prefill(ids))
local answer = assert(context:decode { n_tokens = 16 })
local seconds = (answer.times_ns[16] - answer.times_ns[1]) / 1e9
print(string.format("prompt %.3f ms, %.0f tokens/s", (prompt.end_ns - prompt.start_ns) / 1e6,
                    15 / seconds))
print("tokens in the cache", context:n_past())

-- The white box: what that took inside.
local counted = context:counters()
print("weight bytes read", counted.weight_bytes_read)
print("KV cache used, bytes", context:memory().kv_used_bytes)
context:reset_counters()

-- Where the time went, by operation of the first thread.
if context:set_profile(true) then
  context:clear() -- forgets the tokens; caches and counters stay
  assert(context:prefill(ids))
  assert(context:decode { n_tokens = 16 })
  for _, entry in ipairs(context:profile()) do
    if entry.thread == 0 then
      print(string.format("%-12s %6d us", entry.operation, entry.ns // 1000))
    end
  end
  context:set_profile(false)
end

assert(model:unchanged(), "the file is still the one that was loaded")
context:close() -- a model with open contexts is not closed
model:close()

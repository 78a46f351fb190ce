-- woolly.counters: sampled shares of SIMD instructions, of this process and of another one.
local counters = require "woolly.counters"
local engine   = require "woolly.engine"
local process  = require "woolly.process"
local tap      = require "tap"

local source = process.env "WOOLLY_SOURCE" or "."
local sanitized = (process.env "WOOLLY_SANITIZE" or "") ~= ""

local CLASSES <const> = { "scalar", "sse", "avx", "avx2", "avx512", "fma", "vnni" }

local probe, why_not = counters.sampler()
if not probe then
  tap.test("where nothing can be sampled the reason is given", function()
    tap.truthy(#why_not > 20, why_not)
  end)
  tap.skip("the engine's shares", why_not)
  tap.done()
  return
end
probe:close()

local TINY <const> = source .. "/tests/fixtures/stories260K.q4_0.gguf"

--- Profile of decodes with these switches, 0.5 s at least.
local function decode_profile(path, options)
  local model <close> = assert(engine.load(path))
  options.n_ctx = 64
  local context <close> = assert(model:context(options))
  local sampler <close> = assert(counters.sampler())
  local before = counters.read().cpu_ns
  assert(sampler:start())
  repeat
    context:clear()
    assert(context:prefill { 1 })
    assert(context:decode { n_tokens = 2 })
  until counters.read().cpu_ns - before > 5e8
  return assert(sampler:stop())
end

local function check_shares(shares)
  local sum = 0
  for _, class in ipairs(CLASSES) do
    local one = shares[class]
    tap.truthy(one.low <= one.share and one.share <= one.high, class)
    sum = sum + one.share
  end
  tap.near(sum, 1, 1e-9, "sum")
  tap.near(shares.packed.share, 1 - shares.scalar.share, 1e-9, "packed")
end

tap.test("a profile has shares with intervals, functions and its method", function()
  local profile = decode_profile(TINY, { preset = "p2" })
  check_shares(profile.time)
  check_shares(profile.instructions)
  tap.contains(profile.method, "997 Hz")
  tap.contains(profile.method, "Zydis")
  tap.truthy(profile.n_samples >= 100, "samples " .. profile.n_samples)
  tap.equal(profile.n_lost, 0)
  tap.truthy(profile.n_unknown <= profile.n_samples / 10, "unknown")
  local most = math.huge
  for _, f in ipairs(profile.functions) do
    tap.truthy(f.n_samples <= most and f.packed >= 0 and f.packed <= 1, f.name)
    most = f.n_samples
  end
  tap.truthy(#profile.functions > 2, "functions")
end)

local has_avx2 = false
for _, isa in ipairs(engine.isas()) do has_avx2 = has_avx2 or isa == "avx2" end

-- Sanitizers put checks between all instructions. The smallest models have rows of 64 values, where
-- the work around the products weighs as much as they do.
if sanitized or not has_avx2 then
  tap.skip("shares of the backends", sanitized and "sanitized build" or "no AVX2")
else
  tap.test("decoding Q4_0 weights with AVX2 is packed for more than 60 %", function()
    for _, preset in ipairs { "p1", "p3" } do
      local options = { preset = preset, backend = "avx2" }
      local packed = decode_profile(assert(engine.synth "110m-q4_0"), options).instructions.packed
      print(string.format("# avx2 %s: packed %.1f %%", preset, 100 * packed.share))
      tap.truthy(packed.share > 0.60, preset .. ": packed " .. packed.share)
    end
  end)
  tap.test("decoding with the scalar backend is packed for less than 5 %", function()
    for _, preset in ipairs { "p1", "p3" } do
      local options = { preset = preset, backend = "scalar" }
      local packed = decode_profile(assert(engine.synth "110m-q4_0"), options).instructions.packed
      print(string.format("# scalar %s: packed %.1f %%", preset, 100 * packed.share))
      tap.truthy(packed.share < 0.05, preset .. ": packed " .. packed.share)
    end
  end)
end

tap.test("another process is sampled by its id", function()
  local child <close> = assert(process.spawn { "/bin/sh", "-c", "while :; do :; done" })
  local profile = assert(counters.sample { pid = child:pid(), seconds = 0.5 })
  tap.truthy(profile.n_samples >= 20, "samples")
  check_shares(profile.instructions)
  tap.truthy(profile.instructions.packed.share < 0.3, "a shell has little of SIMD")
end)

tap.test("wrong arguments raise, the world's refusals are results", function()
  tap.raises(function() counters.sample {} end, "pid")
  tap.raises(function() counters.sampler { hz = 0 } end, "hz")
  tap.raises(function() counters.sampler { seconds = 1 } end, "seconds")
  local profile, message, code = counters.sample { pid = 0x3fffffff, seconds = 0.01 }
  tap.equal(profile, nil)
  tap.equal(code, "unavailable")
  tap.contains(message, "no process")
  local sampler = assert(counters.sampler())
  tap.raises(function() sampler:stop() end, "start() comes first")
  sampler:close()
  sampler:close()
  tap.raises(function() sampler:start() end, "closed")
end)

tap.done()

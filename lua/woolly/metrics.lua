--- Every metric, once: unit, direction, sample kind and how it is measured. Pure data; gates,
--- judging, reports and docs/metrics.md read it here.
local metrics = {}

---@class woolly.Metric
---@field name string
---@field unit string              "" for shares and counts
---@field better "higher"|"lower"|"target"
---@field sample "run"|"token"|"request"   what one sample is
---@field text string              how it is measured
---@field exact? boolean           counted, not timed: judged from its samples without an interval
---@field boolean? boolean         1 or 0, for "equals = true" limits
---@field share? boolean          a sample is 1 or 0; the figure is their mean, its interval binomial
---@field any_sign? boolean        values below zero make sense
---@field is_change? boolean       a relative change, an overhead say
---@field noise number             share below which a difference is taken for none: 0 for what is
---                                counted, 0.01 for ratios measured in turns, else 0.03

---@type table<string, woolly.Metric>
metrics.all = {}
---@type string[]
metrics.order = {}

local DEFAULT_NOISE <const> = 0.03 -- of wall time on a shared machine

local function define(name, unit, better, sample, text, flags)
  local metric = { name = name, unit = unit, better = better, sample = sample, text = text }
  for key, value in pairs(flags or {}) do metric[key] = value end
  metric.noise = metric.noise or (metric.exact and 0 or DEFAULT_NOISE)
  metrics.all[name] = metric
  metrics.order[#metrics.order + 1] = name
end

local EXACT <const> = { exact = true }
local SHARE <const> = { share = true }
local YES_NO <const> = { exact = true, boolean = true }
local SIGNED <const> = { any_sign = true }
-- A relative change itself: a limit on it cannot be tighter than the machine's noise.
local CHANGE <const> = { any_sign = true, is_change = true, noise = 0.01 }
-- Ratios of two rates that were taken in turns: what the machine does to one it does to the other.
local IN_TURNS <const> = { noise = 0.01 }

-- Speed
define("tokens_per_second", "tokens/s", "higher", "run",
  "decode rate (n-1)/(t_n - t_1), batch 1, greedy, EOS ignored; one sample per repetition")
define("single_token_latency_ms", "ms", "lower", "token",
  "gap between two tokens of one decode; one sample per gap")
define("prefill_tokens_per_second", "tokens/s", "higher", "run",
  "prompt tokens / time of the prompt's work")
define("ttft_ms", "ms", "lower", "run",
  "time from the call to the first token, prompt included")
define("load_ms", "ms", "lower", "run",
  "time to load the model file, from the page cache unless it says cold")
define("improvement_factor", "x", "higher", "run",
  "tokens_per_second / that of a fresh p0 run of the same model on the same machine, one ratio "
  .. "per interleaved repetition", IN_TURNS)
define("prefill_improvement_factor", "x", "higher", "run",
  "prefill_tokens_per_second / that of the same p0 run, one ratio per interleaved repetition", IN_TURNS)
define("phase_improvement_factor", "x", "higher", "run",
  "tokens_per_second / that of the preset before, one ratio per interleaved repetition", IN_TURNS)
define("phase_prefill_factor", "x", "higher", "run",
  "prefill_tokens_per_second / that of the preset before, likewise", IN_TURNS)
define("reference_tokens_per_second", "tokens/s", "higher", "run",
  "tokens_per_second of the p0 runs behind improvement_factor")
define("harness_ns_per_token", "ns", "lower", "run",
  "wall time per token of a whole measured decode with an engine that does nothing")
define("ready_ms", "ms", "lower", "run",
  "time from the file (in the page cache) to a context that can run: loaded, repacked where that "
  .. "is on, KV cache allocated; once")
-- Memory
define("memory_usage_mb", "MB", "lower", "run",
  "peak resident memory (VmHWM) of a fresh process that loads the model, runs a prompt and decodes",
  EXACT)
define("heap_requests_per_second", "", "lower", "run",
  "calls of malloc and its like a second, of another process (--pid), by probes on its libc")
define("live_heap_mb", "MB", "lower", "run", "heap bytes alive behind the allocator seam", EXACT)
define("hot_path_allocations", "", "lower", "run",
  "heap allocations per decoded token, counted in the allocator seam", EXACT)
define("hot_path_allocated_bytes", "bytes", "lower", "run",
  "heap bytes asked for per decoded token", EXACT)
define("memory_allocation_rate", "bytes/s", "lower", "run",
  "heap bytes asked for per second of decoding")
define("leak_bytes_per_token", "bytes", "lower", "run",
  "heap bytes more alive after a repetition than before it, per decoded token",
  { exact = true, any_sign = true })
define("leak_slope_bytes_per_second", "bytes/s", "lower", "run",
  "Theil-Sen slope of live bytes after warm-up", SIGNED)
define("kv_cache_memory_mb", "MB", "lower", "run",
  "allocated bytes of the KV cache at the stated n_ctx", EXACT)
define("kv_cache_reduction_factor", "x", "higher", "run",
  "bytes of an F32 KV cache / those of this one, at the same n_ctx", EXACT)
define("deep_tokens_per_second", "tokens/s", "higher", "run",
  "decode rate behind the deepest context asked for")
define("deep_decode_share", "", "higher", "run",
  "deep_tokens_per_second / the rate from an empty context, rounds in turns", IN_TURNS)
-- Weight cache
define("cache_hit_ratio", "", "higher", "run",
  "weight-cache hits / look-ups, by access", EXACT)
define("cache_byte_hit_ratio", "", "higher", "run",
  "weight-cache hits / look-ups, by F32 bytes", EXACT)
define("cache_evictions", "", "lower", "run", "tensors evicted per decoded token", EXACT)
define("cached_mb", "MB", "target", "run", "F32 bytes held by the weight cache", EXACT)
-- Processor
define("cpu_utilization_percent", "%", "target", "run",
  "process CPU time / wall / threads x 100")
define("dequantization_gb_per_second", "GB/s", "higher", "run",
  "F32 bytes written per second by the model's main type on the chosen ISA, from cache")
define("dequantization_speedup", "x", "higher", "run",
  "scalar time / SIMD time, same type and values")
define("simd_effectiveness", "", "higher", "run",
  "scalar time / SIMD time / lanes, scalar code compiled without auto-vectorisation")
define("simd_instruction_usage", "", "higher", "run",
  "share of instructions that are packed SIMD: samples at 997 Hz, each spread over its basic block")
define("counter_read_ns", "ns", "lower", "run",
  "mean time to read one thread's group of performance events")
define("sampling_overhead", "", "lower", "run",
  "time of a prompt with samples at 997 Hz / without, less 1, in turns", CHANGE)
define("joules_per_token", "J", "lower", "run",
  "energy of the processor packages (RAPL) over a decode / its tokens")
define("allocation_count_overhead", "", "lower", "run",
  "time of a pair of malloc and free, counted / not, less 1, in turns", CHANGE)
define("cache_miss_ratio", "", "lower", "run", "last-level misses / references from the PMU",
  EXACT)
-- Matrix products, attention, bandwidth
define("gemm_efficiency", "", "higher", "run",
  "achieved rate / the lower of the measured arithmetic and bandwidth roof for the shape")
define("gemm_gop_per_second", "GOP/s", "higher", "run",
  "2 x rows x columns x tokens / time over the matrices of all layers, prompt's products")
define("gemm_speedup", "x", "higher", "run",
  "time of the generic loop (scalar, token by token, one thread) / time, prompt's products")
define("gemm_generic_efficiency", "", "higher", "run",
  "gemm_efficiency of the generic loop: what it reaches of the same roof")
define("gemv_efficiency", "", "higher", "run",
  "as gemm_efficiency, for one token, weights from as much memory as decode reads")
define("gemv_gb_per_second", "GB/s", "higher", "run",
  "weight bytes read per second over all matrices, one token")
define("gemv_speedup", "x", "higher", "run", "as gemm_speedup, for one token")
define("attention_speedup", "x", "higher", "run",
  "naive attention time / fused attention time, same inputs, same threads; the worse of decode and "
  .. "prompt at contexts from 512 tokens up")
define("attention_decode_speedup", "x", "higher", "run",
  "the same for one token at the longest context")
define("attention_prefill_speedup", "x", "higher", "run",
  "the same for a prompt's block at the longest context")
define("bytes_per_token", "bytes", "lower", "run",
  "weight and KV bytes read per decoded token, counted by the engine", EXACT)
define("memory_bandwidth_reduction", "", "higher", "run",
  "1 - bytes per decoded token / those of preset p2, at the stated context depth",
  { any_sign = true })
define("decode_gb_per_second", "GB/s", "higher", "run",
  "bytes_per_token x decode rate, at the stated context depth")
define("profile_overhead", "", "lower", "run",
  "decode rate without / with the profile, less 1, rounds in turns", CHANGE)
-- Scaling
define("multi_thread_efficiency", "", "higher", "run", "S(T)/T with S(T) = tps(T)/tps(1)")
define("threading_efficiency", "x", "higher", "run", "S(T) = tps(T)/tps(1), a speed-up")
define("prefill_threading_efficiency", "x", "higher", "run", "S(T) of the prompt's rate")
define("tiny_threading_efficiency", "x", "higher", "run",
  "S(T) of decoding the bundled model of 260 thousand parameters: threads must not cost it")
define("backend_decode_speedup", "x", "higher", "run",
  "decode rate of the highest instruction set level / of the level scalar, rounds in turns",
  IN_TURNS)
define("backend_prefill_speedup", "x", "higher", "run", "the same for the prompt's rate", IN_TURNS)
define("backend_choice_ratio", "", "higher", "run",
  "decode rate of the highest level / of the fastest one: 1 where the higher level is the faster",
  IN_TURNS)
define("batch_processing_speedup", "x", "higher", "run",
  "total decode rate at batch B / at batch 1")
define("lookup_speedup", "x", "higher", "run",
  "decode rate with guesses from the text so far / without, same text, rounds in turns; a model of "
  .. "random weights says little here", IN_TURNS)
define("text_lookup_speedup", "x", "higher", "run",
  "the same for the bundled model, which tells stories", IN_TURNS)
define("lookup_accepted_ratio", "", "higher", "run",
  "guesses of the bundled model that were its greedy choice / all guesses", EXACT)
define("plain_tokens_per_second", "tokens/s", "higher", "run",
  "tokens_per_second without guesses: one token a pass over the weights")
-- Quality
define("output_accuracy_score", "", "higher", "run",
  "share of positions whose most likely token equals that of the F32 reference path", EXACT)
define("numerical_stability", "", "higher", "run",
  "1 - largest relative logit error against the F32 path, capped at 1; NaN or infinity is 0", EXACT)
define("kld_mean", "nats", "lower", "run",
  "mean KL divergence from the reference path's token distribution", EXACT)
define("kv_kld_mean", "nats", "lower", "run",
  "mean KL divergence from the same preset with an F32 KV cache", EXACT)
define("kv_accuracy_score", "", "higher", "run",
  "share of positions with the same most likely token as with an F32 KV cache", EXACT)
define("text_kv_kld_mean", "nats", "lower", "run",
  "kv_kld_mean of the bundled model on its kind of text", EXACT)
define("text_kv_accuracy_score", "", "higher", "run",
  "kv_accuracy_score of the bundled model on its kind of text", EXACT)
define("kld_p99", "nats", "lower", "run",
  "99th percentile of the KL divergence over the positions", EXACT)
define("correct_token_rms", "", "lower", "run",
  "root mean square of the change in the probability of the text's own token", EXACT)
define("perplexity", "", "lower", "run",
  "exp of the mean negative log likelihood, second half of each chunk scored", EXACT)
-- Other engines, service
define("llama_cpp_performance_ratio", "x", "higher", "run",
  "our decode rate / llama.cpp's, same file, threads and prompt ids, interleaved pairs", IN_TURNS)
define("llama_cpp_prefill_ratio", "x", "higher", "run", "the same for prefill", IN_TURNS)
define("llama_cpp_kld_mean", "nats", "lower", "run",
  "mean KL divergence of our token distribution from llama.cpp's over a prompt's positions", EXACT)
define("llama_cpp_top1_agreement", "", "higher", "run",
  "share of those positions whose most likely token is the same in both engines", EXACT)
-- Requests: times from arrivals on this side of the wire, statistics over completed ones
define("ttft_planned_ms", "ms", "lower", "request",
  "time from when the request was due (open loop) to the first token: what gates")
define("ttfo_ms", "ms", "lower", "request",
  "time from sending to the first token that is no reasoning")
define("queue_ms", "ms", "lower", "request",
  "time from sending to the start of the prompt's work, told by the engine")
define("ttst_ms", "ms", "lower", "request", "time from the first token to the second")
define("tpot_ms", "ms", "lower", "request",
  "(t_n - t_1) / (n - 1), one value per request; undefined below 2 tokens")
define("itl_ms", "ms", "lower", "token", "gaps between tokens, pooled over requests")
define("icl_ms", "ms", "lower", "token",
  "gaps between chunks of a stream, where a chunk holds several tokens")
define("max_gap_ms", "ms", "lower", "request", "the longest gap between tokens of a request")
define("e2e_ms", "ms", "lower", "request",
  "time from sending to the last token, not to the end of the stream")
define("e2e_planned_ms", "ms", "lower", "request", "the same from when the request was due")
define("client_prefill_tokens_per_second", "tokens/s", "higher", "request",
  "prompt tokens / time to the first token: what a client can tell of the prompt's rate")
define("output_tokens_per_second", "tokens/s", "higher", "run",
  "tokens of all requests that came in the steady window / its length")
define("total_tokens_per_second", "tokens/s", "higher", "run",
  "prompt and output tokens of all requests / duration")
define("requests_per_second", "1/s", "higher", "run", "completed requests / duration")
define("goodput_requests_per_second", "1/s", "higher", "run",
  "requests that met every objective / duration")
define("good_fraction", "", "higher", "run",
  "requests that met every objective / issued; failed and dropped ones did not")
define("harness_lag_ms", "ms", "lower", "request",
  "actual minus planned time of sending; a run with p99 above 1 ms and 1 % of tpot is invalid")
define("model_bandwidth_utilization", "", "higher", "run",
  "bytes_per_token x decode rate / measured bandwidth")
define("model_flops_utilization", "", "higher", "run",
  "2 x parameters x decode rate / measured arithmetic peak")
define("error_rate", "", "lower", "request",
  "generations that failed, timed out or ended early / issued; interval of the binomial distribution",
  SHARE)
define("api_response_success_rate", "", "higher", "run",
  "checks of the HTTP contract that hold / made", EXACT)
define("other_tokens_per_second_ratio", "x", "higher", "run",
  "our decode rate / the other server's, both over HTTP, same prompts, in turns", IN_TURNS)
define("other_ttft_ratio", "x", "lower", "run",
  "our time to the first token / the other server's, likewise", IN_TURNS)
define("other_output_ratio", "x", "higher", "run",
  "our tokens of all users per second / the other server's, likewise", IN_TURNS)
define("leaks", "", "lower", "run",
  "of the server's memory, open files and threads, how many rise steadily", EXACT)
define("memory_growth_mb_per_hour", "MB/h", "lower", "run",
  "Theil-Sen slope of the server's resident memory after warm-up",
  { exact = true, any_sign = true })
define("throughput_drift", "", "target", "run",
  "change of the decode rate over the whole run by its Theil-Sen slope, share of the median",
  { exact = true, any_sign = true })
define("crashes", "", "lower", "run", "times the server ended or did not answer", EXACT)
define("open_file_growth", "", "lower", "run",
  "file descriptors of the server at the end less after warm-up", { exact = true, any_sign = true })
define("thread_growth", "", "lower", "run",
  "threads of the server at the end less after warm-up", { exact = true, any_sign = true })
define("ole_integration_ready", "", "higher", "run", "all five readiness criteria hold", YES_NO)
define("stability_test_hours", "h", "higher", "run",
  "hours run without crash, leak or drift", EXACT)
define("final_acceptance", "", "higher", "run", "all other limits of phase 5 hold", YES_NO)

--- Short names of the plan's tables and JSON, and the metric each means.
metrics.aliases = {
  tps = "tokens_per_second",
  latency_ms = "single_token_latency_ms",
  memory_mb = "memory_usage_mb",
  kv_cache_mb = "kv_cache_memory_mb",
  ole_ready = "ole_integration_ready",
  stability_hours = "stability_test_hours",
}

local place = {}
for i, name in ipairs(metrics.order) do place[name] = i end

--- Names of metrics or aliases in the order of this file.
---@param names string[]   sorted in place
---@return string[] names
function metrics.sort(names)
  table.sort(names, function(a, b)
    local x, y = metrics.find(a), metrics.find(b)
    local i, j = x and place[x.name] or math.huge, y and place[y.name] or math.huge
    if i ~= j then return i < j end
    return a < b
  end)
  return names
end

--- The metric of that name or alias.
---@param name string
---@return woolly.Metric?
function metrics.find(name)
  return metrics.all[name] or metrics.all[metrics.aliases[name] or ""]
end

return metrics

--- The scenarios of phases 2 to 5 on small models: they run, check, measure and judge.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local QUANTISED <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"

--- The report of a run; status may be any of those that judging gives.
local function report(script, ...)
  local words = { script, "--store", "none", "--quiet", "--json", "-", "--model", QUANTISED, ... }
  local result = cli.run(words, { env = "XDG_CACHE_HOME=" .. cli.path("cache") })
  if result.status > 2 then
    error(string.format("%s\nstatus %d\n%s\n%s", result.command, result.status, result.out,
                        result.err), 2)
  end
  local document = json.decode(result.out)
  local by_name = {}
  for _, metric in ipairs(document.metrics) do by_name[metric.name] = metric end
  return by_name, document
end

local function measured(by_name, ...)
  for _, name in ipairs { ... } do
    local metric = by_name[name] or error(name .. ": not in the report", 2)
    tap.truthy(metric.n > 0, name .. ": " .. tostring(metric.reason))
  end
end

-- Roofs would take seconds to measure, and are no use in a small test.
local MATRIX <const> = { "--n_samples", "2", "--min_ms", "0.02", "--n_tokens", "9", "--roofs",
                         "off" }

tap.test("matrix_operations measures the model's matrices and every type", function()
  local found, document = report("matrix_operations.lua", table.unpack(MATRIX))
  measured(found, "gemm_gop_per_second", "gemm_speedup", "gemv_gb_per_second", "gemv_speedup")
  tap.equal(found.gemm_efficiency.n, 0)
  tap.contains(found.gemm_efficiency.reason, "roofs are off")
  local notes = table.concat(document.notes, "\n")
  for _, word in ipairs { "ffn_down", "output", "IQ4_XS", "packed", "rows", "float" } do
    tap.contains(notes, word)
  end
end)

tap.test("matrix_operations follows the switches: packed, in rows, as float", function()
  for preset, form in pairs { p1 = "float", p2 = "rows", p3 = "packed" } do
    local _, document = report("matrix_operations.lua", "--preset", preset, "--types", "model",
                               table.unpack(MATRIX))
    tap.contains(table.concat(document.notes, "\n"), form)
  end
end)

tap.test("attention_performance measures decode and prompt, naive and fused", function()
  local found, document = report("attention_performance.lua", "--contexts", "16,600",
                                 "--n_samples", "2", "--min_ms", "0.02", "--shapes", "model",
                                 "--roofs", "off")
  measured(found, "attention_speedup", "attention_decode_speedup", "attention_prefill_speedup")
  tap.contains(table.concat(document.notes, "\n"), "context   600")
end)

tap.test("kv_cache_performance says which types the model's heads do not allow", function()
  local found, document = report("kv_cache_performance.lua", "--depths", "0,64", "--rounds", "2",
                                 "--n_quality", "24")
  measured(found, "kv_cache_memory_mb", "kv_cache_reduction_factor", "deep_tokens_per_second",
           "deep_decode_share", "kv_kld_mean", "kv_accuracy_score")
  tap.equal(found.kv_cache_reduction_factor.median, 2)
  tap.contains(table.concat(document.notes, "\n"), "not possible: heads of 8")
end)

tap.test("kv_cache_performance compares all types where the heads allow them", function()
  local found, document = report("kv_cache_performance.lua", "--model", "synth:tiny-q4_0",
                                 "--depths", "0,64", "--rounds", "2", "--n_quality", "24",
                                 "--switches", "kv_type=q8_0")
  tap.truthy(found.kv_cache_reduction_factor.median > 3.7, "reduction")
  tap.truthy(found.kv_kld_mean.median < 0.1, "KLD")
  tap.contains(table.concat(document.notes, "\n"), "q4_0")
end)

tap.test("memory_bandwidth counts what a token reads, and less of it than p2", function()
  local found = report("memory_bandwidth.lua", "--depth", "100", "--runs", "2", "--roofs", "off")
  measured(found, "bytes_per_token", "memory_bandwidth_reduction", "decode_gb_per_second",
           "profile_overhead")
  tap.truthy(found.memory_bandwidth_reduction.median > 0, "a cache of f16 reads less")
  local same = report("memory_bandwidth.lua", "--depth", "100", "--runs", "2", "--roofs", "off",
                      "--preset", "p2")
  tap.equal(same.memory_bandwidth_reduction.median, 0)
end)

tap.test("parallel_performance checks the bits of every number of threads", function()
  local found, document = report("parallel_performance.lua", "--threads", "1,2,3", "--runs", "2",
                                 "--warmup", "0", "--n_tokens", "4", "--n_prompt", "16",
                                 "--n_tiny_tokens", "8")
  measured(found, "threading_efficiency", "multi_thread_efficiency",
           "prefill_threading_efficiency", "tiny_threading_efficiency")
  local checks = {}
  for _, check in ipairs(document.checks) do checks[#checks + 1] = check.what end
  tap.contains(table.concat(checks, "\n"), "largest difference of the logits, 3 against 1")
end)

tap.test("parallel_performance of one thread says that there is nothing to compare", function()
  local found = report("parallel_performance.lua", "--threads", "1", "--runs", "1", "--warmup", "0",
                       "--n_tokens", "4", "--n_prompt", "8", "--n_tiny_tokens", "4")
  tap.contains(found.threading_efficiency.reason, "one thread only")
end)

tap.test("batch_performance checks that sequences say together what they say alone", function()
  local found, document = report("batch_performance.lua", "--batches", "3,2", "--runs", "2",
                                 "--n_prompt", "8", "--n_tokens", "6", "--warmup", "0")
  measured(found, "batch_processing_speedup")
  tap.equal(#document.notes, 3)
  tap.contains(document.checks[#document.checks].what, "sequence 3 of 3")
end)

tap.test("backend_performance checks and measures every level of this machine", function()
  local found, document = report("backend_performance.lua", "--runs", "2", "--warmup", "0",
                                 "--n_prompt", "8", "--n_tokens", "4", "--seconds", "0",
                                 "--levels", "cpu,vulkan")
  local checks, notes = {}, table.concat(document.notes, "\n")
  for _, check in ipairs(document.checks) do checks[#checks + 1] = check.what end
  tap.contains(table.concat(checks, "\n"), "level scalar")
  tap.contains(notes, "vulkan: not measured")
  tap.equal(document.notes[1]:match("^%S+"), "scalar")
  if #document.notes > 2 then
    measured(found, "backend_decode_speedup", "backend_prefill_speedup", "backend_choice_ratio")
    tap.contains(notes, "of the best")
  end
end)

tap.test("backend_performance says which levels there are, and when there is nothing to compare",
function()
  local refused = cli.run { "backend_performance.lua", "--store", "none", "--model", QUANTISED,
                            "--levels", "scalar,mmx" }
  tap.equal(refused.status, 3, "status")
  tap.contains(refused.err, "'mmx' is no level of this machine; here there are scalar")
  local found = report("backend_performance.lua", "--runs", "1", "--warmup", "0", "--n_prompt", "4",
                       "--n_tokens", "3", "--levels", "scalar")
  tap.contains(found.backend_decode_speedup.reason, "nothing to compare")
end)

tap.test("speculation says the same text with guesses as without", function()
  local found, document = report("speculation.lua", "--runs", "2", "--n_prompt", "48", "--n_tokens",
                                 "32", "--roofs", "off")
  measured(found, "lookup_speedup", "text_lookup_speedup", "plain_tokens_per_second")
  tap.contains(document.checks[#document.checks].what, "greedy text with guesses")
  tap.truthy(found.lookup_accepted_ratio.n > 0 or found.lookup_accepted_ratio.reason, "guesses")
end)

tap.test("footprint tells the parts of the memory", function()
  local result = cli.expect(0, { "footprint.lua", "--model", QUANTISED, "--preset", "p3", "--json",
                                 "-" })
  local found = json.decode(result.out)
  for _, name in ipairs { "file", "kv_cache", "scratch", "packed_weights", "peak_rss" } do
    tap.truthy(found[name] > 0, name)
  end
  tap.contains(cli.expect(0, { "footprint.lua", "--model", QUANTISED }).out, "peak resident")
end)

tap.test("improvement goes from p0 to the last preset switch by switch", function()
  local found, document = report("improvement.lua", "--runs", "2", "--seconds", "0.001")
  measured(found, "improvement_factor", "prefill_improvement_factor")
  tap.equal(document.notes[1]:match("^%S+"), "p0")
  local notes = table.concat(document.notes, "\n")
  for _, word in ipairs { "+ simd", "+ pool", "+ fused_matmul", "+ fused_attention", "+ repack",
                          "key f16" } do
    tap.contains(notes, word)
  end
end)

tap.test("inference_speed compares with p0 and with the preset before", function()
  local found, document = report("inference_speed.lua", "--gate", "phase3", "--runs", "2",
                                 "--n_prompt", "16", "--n_tokens", "8", "--n_quality", "24",
                                 "--roofs", "off")
  tap.equal(document.run.preset, "p3")
  measured(found, "improvement_factor", "prefill_improvement_factor", "phase_improvement_factor",
           "phase_prefill_factor", "output_accuracy_score", "numerical_stability", "kld_mean",
           "cpu_utilization_percent", "ready_ms", "memory_usage_mb")
  tap.truthy(found.output_accuracy_score.median >= 0.9, "first choices")
end)

local SHORT <const> = { "--roofs", "off", "--runs", "1", "--warmup", "0", "--n_tokens", "8",
                        "--n_prompt", "9", "--n_quality", "16" }
local PHASES <const> = {
  phase2 = {
    measured = { "gemm_gop_per_second", "attention_speedup", "hot_path_allocations" },
    options = { "--n_samples", "2", "--min_ms", "0.02", "--types", "model", "--shapes", "model",
                "--contexts", "16,600" },
  },
  phase3 = {
    measured = { "kv_cache_memory_mb", "memory_bandwidth_reduction" },
    options = { "--depths", "0,32", "--rounds", "2", "--depth", "50" },
  },
  phase4 = {
    measured = { "threading_efficiency", "batch_processing_speedup" },
    options = { "--n_tiny_tokens", "4", "--threads", "1,2", "--batches", "1,2", "--levels",
                "scalar", "--seconds", "0.001" },
  },
  phase5 = {
    measured = { "lookup_speedup", "plain_tokens_per_second" },
    options = {},
  },
}

for phase, case in pairs(PHASES) do
  tap.test(phase .. " runs all its tests and judges its gate", function()
    local options = table.move(SHORT, 1, #SHORT, #case.options + 1, case.options)
    local found, document = report(phase .. ".lua", table.unpack(options))
    tap.equal(document.gate.name, phase)
    tap.equal(document.run.preset, "p" .. phase:match("%d"))
    measured(found, "tokens_per_second", "improvement_factor", table.unpack(case.measured))
    tap.equal(found.hot_path_allocations.median, 0)
    for _, limit in ipairs(document.gate.limits) do
      tap.truthy(limit.verdict ~= "missing" or limit.reason ~= "not measured", limit.metric)
    end
  end)
end

cli.clean_up()
tap.done()

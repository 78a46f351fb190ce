--- comparative.lua --reference llama_bench: the user's own llama-bench. Here a script that prints
--- what one prints.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local function compare(...)
  local report = cli.path "report.json"
  local result = cli.run { "comparative.lua", "--reference", "llama_bench", "--model", cli.model,
                           "--preset", "p2", "--threads", "1", "--n_prompt", "8", "--n_tokens", "8",
                           "--runs", "2", "--warmup", "0", "--store", "none", "--quiet", "--json",
                           report, ... }
  tap.truthy(result.status <= 2, result.out .. result.err)
  local found = {}
  for _, metric in ipairs(json.decode(cli.read(report)).metrics) do found[metric.name] = metric end
  return result, found
end

local function program(name, text)
  cli.write(cli.path(name), "#!/bin/sh\n" .. text)
  assert(cli.shell("chmod +x " .. name).status == 0)
  return cli.path(name)
end

local bench = program("bench", string.format([[
echo "$@" >>%s
cat <<'END'
[
  { "build_commit": "abc1234", "build_number": 5000, "n_threads": 1, "n_prompt": 8, "n_gen": 0,
    "avg_ns": 80000000, "avg_ts": 100.0, "samples_ts": [ 100.0 ] },
  { "build_commit": "abc1234", "build_number": 5000, "n_threads": 1, "n_prompt": 0, "n_gen": 8,
    "avg_ns": 160000000, "avg_ts": 50.0, "samples_ts": [ 50.0 ] }
]
END
]], cli.path "words"))

tap.test("its rates and ours make the ratios, one repetition a pair", function()
  local result, found = compare("--llama_bench", bench)
  tap.equal(#found.llama_cpp_performance_ratio.samples, 2)
  tap.equal(#found.llama_cpp_prefill_ratio.samples, 2)
  tap.contains(result.out, "generation 50 tokens/s  (llama-bench, build 5000 (abc1234))")
  tap.contains(found.llama_cpp_kld_mean.reason, "no logits")
  tap.contains(cli.read(cli.path "words"), "-p 8 -n 8 -t 1 -r 1 -o json")
end)

local function missing(words, ...)
  local _, found = compare(...)
  tap.equal(#found.llama_cpp_performance_ratio.samples, 0)
  tap.contains(found.llama_cpp_performance_ratio.reason, words)
end

tap.test("without one: missing, and where to put it", function()
  missing("on the PATH", "--llama_bench", "no-such-llama-bench")
end)

tap.test("one that fails, or prints something else: missing and why", function()
  missing("status 1: error: failed to load model", "--llama_bench",
          program("fails", "echo 'error: failed to load model' >&2; exit 1\n"))
  missing("llama-bench", "--llama_bench", program("table", "echo '| model | t/s |'\n"))
  missing("no avg_ts", "--llama_bench", program("empty", "echo '[]'\n"))
end)

cli.clean_up()
tap.done()

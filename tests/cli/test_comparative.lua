--- comparative.lua and target llama_cpp with a fake in place of node, and with the real package
--- where it is installed.
local cli = require "cli"
local tap = require "tap"

local VERSION <const> = cli.read(cli.source .. "/lua/woolly/targets/llama_cpp.lua")
  :match('VERSION = "([%d.]+)"')
local LIBRARIES <const> = "/woolly-lua/llama_cpp/" .. VERSION
  .. "/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"

local function shell(command)
  local result = cli.shell(command)
  assert(result.status == 0, command .. "\n" .. result.err)
  return result.out
end

-- A cache with the package, one without, and a folder with the fake node.
local full, empty, fakes = cli.path "full", cli.path "empty", cli.path "fakes"
shell(string.format("mkdir -p %s %s %s && touch %s/llama-addon.node", full .. LIBRARIES, empty,
                    fakes, full .. LIBRARIES))
cli.write(fakes .. "/node", string.format('#!/bin/sh\nexec %s %s "$@"\n', cli.quote(cli.program),
          cli.quote(cli.source .. "/tests/support/fake_node.lua")))
shell("chmod +x " .. fakes .. "/node")
local log = cli.path "fake.log"

local function env(mode, cache)
  os.remove(log)
  return string.format("PATH=%s:$PATH XDG_CACHE_HOME=%s FAKE_LLAMA=%s FAKE_LLAMA_LOG=%s", fakes,
                       cache or full, mode, log)
end

local ARGUMENTS <const> = { "comparative.lua", "--model", cli.model, "--n_prompt", "8",
                            "--n_tokens", "4", "--threads", "1", "--store", "none", "--quiet" }

local function with(...)
  return table.move({ ... }, 1, select("#", ...), #ARGUMENTS + 1,
                    table.move(ARGUMENTS, 1, #ARGUMENTS, 1, {}))
end

local function is_running(pid)
  local stat = cli.shell("cat /proc/" .. pid .. "/stat")
  return stat.status == 0 and not stat.out:match "%) Z"
end

-- ---- not installed ----

tap.test("without llama.cpp every metric is missing, with the command that installs it", function()
  local result = cli.expect(2, with(), { env = env("", empty) })
  local reason = "llama.cpp is not installed. ./run.sh --with-llama-cpp comparative.lua"
  for _, metric in ipairs { "llama_cpp_performance_ratio", "llama_cpp_prefill_ratio",
                            "llama_cpp_kld_mean", "llama_cpp_top1_agreement" } do
    tap.truthy(result.out:match("miss  " .. metric .. "[^\n]*" .. reason:gsub("[-.]", "%%%0")),
               metric .. "\n" .. result.out)
  end
  tap.contains(result.out, "CANNOT JUDGE")
  tap.equal(result.err, "")
end)

tap.test("without node the metrics are missing, not an error", function()
  local result = cli.expect(2, with(), { env = "PATH=/nowhere XDG_CACHE_HOME=" .. full })
  tap.contains(result.out, "node: cannot be started")
  tap.contains(result.out, "--with-llama-cpp")
end)

tap.test("as a target it is refused with status 2 and the command", function()
  local result = cli.expect(2, { "quick.lua", "--target", "llama_cpp", "--model", cli.model,
                                 "--store", "none" }, { env = env("", empty) })
  cli.one_line(result.err, "llama.cpp is not installed", "--with-llama-cpp")
end)

tap.test("a model that llama.cpp refuses is missing with llama.cpp's reason", function()
  local result = cli.expect(2, with(), { env = env "refuse" })
  tap.contains(result.out, "llama.cpp: unknown model architecture")
end)

-- ---- measuring ----

tap.test("pairs give both ratios, agreement and both engines' rates", function()
  local path = cli.path "report.json"
  local result = cli.run(with("--runs", "5", "--json", path), { env = env "ok" })
  tap.truthy(result.status <= 2, result.err)
  local report = require("json").decode(cli.read(path))
  local found = {}
  for _, metric in ipairs(report.metrics) do found[metric.name] = metric end
  tap.equal(#found.llama_cpp_performance_ratio.samples, 5)
  tap.equal(#found.llama_cpp_prefill_ratio.samples, 5)
  tap.equal(found.llama_cpp_top1_agreement.samples[1], 1)
  tap.truthy(found.llama_cpp_kld_mean.samples[1] < 1e-6, "kld")
  tap.contains(result.out, "greedy tokens equal from the first on: 4 of 4")
  tap.contains(result.out, "used 0.10 % of a core while it waited")
  tap.truthy(result.out:match "ours       prefill [%d.e+]+ %[", "our rates")
  tap.truthy(result.out:match "llama.cpp  prefill [%d.e+]+ %[", "their rates")
end)

--- Repetitions that the runner measured again because something disturbed them.
local function repeated(path)
  local n = 0
  for _, repetition in ipairs(require("json").decode(cli.read(path)).repetitions) do
    if repetition.samples then n = n + 1 end
  end
  return n
end

tap.test("both settings of flash attention are tried, then the faster ones are used", function()
  local path = cli.path "flash.json"
  cli.run(with("--runs", "1", "--warmup", "1", "--json", path), { env = env "fast" })
  local lines = cli.read(log) -- equal figures: the first
  tap.equal(select(2, lines:gsub("generate 1 true", "")), 4 + repeated(path), "with")
  tap.equal(select(2, lines:gsub("generate 1 false", "")), 2, "without")
  cli.run(with("--runs", "1", "--warmup", "0", "--flash_attention", "off", "--json", path),
          { env = env "fast" })
  lines = cli.read(log)
  tap.equal(select(2, lines:gsub("generate", "")), 1 + repeated(path), "no search if fixed")
  tap.contains(lines, "generate 1 false")
end)

tap.test("a slower llama.cpp passes, a faster one fails, few pairs are undecided", function()
  tap.contains(cli.expect(0, with("--runs", "5"), { env = env "slow" }).out, "PASSED")
  tap.contains(cli.expect(1, with("--runs", "5"), { env = env "fast" }).out, "FAILED")
  tap.contains(cli.expect(2, with("--runs", "2"), { env = env "slow" }).out, "CANNOT JUDGE")
end)

tap.test("greedy tokens that part are counted up to there", function()
  local result = cli.run(with("--runs", "1"), { env = env "other" })
  tap.contains(result.out, "greedy tokens equal from the first on: 2 of 4")
end)

tap.test("engines that disagree are never timed", function()
  local result = cli.expect(1, with(), { env = env "wrong" })
  tap.contains(result.err, "mean KL divergence from llama.cpp")
  tap.contains(result.err, "Nothing was timed")
  tap.truthy(not cli.read(log):find("generate", 1, true), "nothing was generated")
  tap.equal(shell("ls " .. full .. "/woolly-lua/llama_cpp | grep -c logits; true"), "0\n")
end)

tap.test("what cannot be compared is refused before anything starts", function()
  local result = cli.expect(3, with("--n_tokens", "1"), { env = env "ok" })
  cli.one_line(result.err, "--n_tokens 2 or more")
  cli.one_line(cli.expect(3, with("--reference", "vllm")).err, "--reference", "llama_cpp")
  tap.truthy(not cli.exists(log), "no child")
end)

tap.test("it is a target like any other for scenarios that look from outside", function()
  local result = cli.expect(0, { "quick.lua", "--target", "llama_cpp", "--model", cli.model,
    "--n_tokens", "4", "--runs", "2", "--store", "none", "--quiet" }, { env = env "ok" })
  tap.contains(result.out, "target llama_cpp")
  tap.contains(result.out, "prefill_tokens_per_second")
  tap.contains(cli.read(log), "generate 1 auto")
end)

-- ---- failures on the way ----

tap.test("a child that dies, talks nonsense or says too little ends the run: status 4", function()
  cli.one_line(cli.expect(4, with(), { env = env "die" }).err,
               "llama.cpp: node ended with status 7", "out of luck")
  cli.one_line(cli.expect(4, with(), { env = env "garbage" }).err, "Segmentation fault",
               "a JSON object is required")
  cli.one_line(cli.expect(4, with(), { env = env "short" }).err, "4 tokens with their times")
  cli.one_line(cli.expect(2, with(), { env = env "error" }).err, "llama.cpp: Eval has failed")
end)

tap.test("--timeout ends a child that does not answer", function()
  local result = cli.expect(3, with("--timeout", "1"), { env = env "silent" })
  cli.one_line(result.err, "stopped after 1 s")
  local pid = cli.read(log):match "pid (%d+)"
  tap.truthy(pid and not is_running(pid), "the child has ended")
end)

for signal, status in pairs { INT = 130, TERM = 143 } do
  tap.test("SIG" .. signal .. " ends the child too", function()
    local words = table.concat(with(), " ")
    local result = cli.shell(string.format([[
      env %s %s %s & pid=$!
      until grep -q waits %s 2>/dev/null; do sleep 0.02; done
      kill -%s $pid; wait $pid; exit $?]], env "silent", cli.quote(cli.program),
      words, log, signal))
    tap.equal(result.status, status, "status")
    tap.truthy(not is_running(cli.read(log):match "pid (%d+)"), "the child has ended")
  end)
end

-- ---- the real thing ----

local cache = os.getenv "XDG_CACHE_HOME" or (os.getenv "HOME" or "") .. "/.cache"
local has_node = cli.shell("command -v node").status == 0

tap.test("the script is written beside the package, and again when it was changed", function()
  local path = full .. "/woolly-lua/llama_cpp/" .. VERSION .. "/engine.cjs"
  local text = cli.read(path)
  tap.contains(text, "llama-addon.node")
  cli.write(path, "changed")
  cli.run(with("--runs", "1"), { env = env "ok" })
  tap.equal(cli.read(path), text)
end)

if not has_node then
  tap.skip("the script is JavaScript that node accepts", "node is not installed")
else
  tap.test("the script is JavaScript that node accepts", function()
    shell("node --check " .. full .. "/woolly-lua/llama_cpp/" .. VERSION .. "/engine.cjs")
  end)
end

local sentence = "the real llama.cpp agrees with our engine on the bundled model"
if has_node and cli.exists(cache .. LIBRARIES .. "/llama-addon.node") then
  tap.test(sentence, function()
    local result = cli.run({ "comparative.lua", "--model", cli.model, "--n_prompt", "64",
      "--n_tokens", "16", "--runs", "1", "--store", "none", "--quiet" },
      { env = "XDG_CACHE_HOME=" .. cache })
    tap.truthy(result.status <= 2, result.err)
    tap.contains(result.out, "greedy tokens equal from the first on: 16 of 16")
    tap.truthy(result.out:match "llama_cpp_top1_agreement%s+1.000", "top-1")
  end)
else
  tap.skip(sentence, "llama.cpp is not installed: ./run.sh --with-llama-cpp")
end

cli.clean_up()
tap.done()

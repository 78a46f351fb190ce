--- comparative.lua --reference llama_server: the user's own llama-server on the PATH. Here a script
--- that takes its options and serves with this program.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local function compare(path, ...)
  local report = cli.path "report.json"
  local result = cli.run({ "comparative.lua", "--reference", "llama_server", "--model", cli.model,
                           "--preset", "p2", "--threads", "1", "--n_prompt", "8", "--n_tokens", "8",
                           "--n_requests", "2", "--n_users", "2", "--runs", "1", "--warmup", "0",
                           "--store", "none", "--quiet", "--json", report, ... },
                         { env = "PATH=" .. path })
  local found = {}
  if cli.exists(report) then
    for _, metric in ipairs(json.decode(cli.read(report)).metrics) do
      found[metric.name] = metric
    end
    os.remove(report)
  end
  return result, found
end

local function program(name, text)
  cli.write(cli.path(name), "#!/bin/sh\n" .. text)
  assert(cli.shell("chmod +x " .. name).status == 0)
end

program("llama-server", string.format([[
echo "$@" >%s
while [ $# -gt 0 ]; do
  case $1 in
  -m) model=$2 ;; --port) port=$2 ;; --host) host=$2 ;; esac
  shift
done
exec %s serve.lua --model "$model" --bind "$host" --port "$port" --threads 1 --quiet
]], cli.path "words", cli.quote(cli.program)))

tap.test("the llama-server on the PATH is started on the model and measured in pairs", function()
  local result, found = compare(cli.folder() .. ":/usr/bin:/bin")
  tap.truthy(result.status <= 2, result.out .. result.err)
  for _, name in ipairs { "other_tokens_per_second_ratio", "other_ttft_ratio",
                          "other_output_ratio" } do
    tap.truthy(found[name] and (found[name].samples[1] or 0) > 0,
               name .. ": " .. tostring(found[name].reason))
  end
  tap.contains(result.out, "greedy text equal from the first on")
  local words = cli.read(cli.path "words")
  for _, word in ipairs { "-m ", "--host 127.0.0.1", "--port ", "-c 32", "--parallel 2", "-t 1" } do
    tap.contains(words, word)
  end
end)

tap.test("without one: missing, and where to put it", function()
  local result, found = compare "/nowhere:/usr/bin:/bin"
  tap.truthy(result.status <= 2, result.out .. result.err)
  tap.contains(found.other_ttft_ratio.reason or "", "llama-server")
  tap.contains(found.other_ttft_ratio.reason or "", "PATH")
end)

tap.test("one that does not start: its last words", function()
  program("broken-server", "echo 'error: unknown model architecture' >&2; exit 1\n")
  local result, found = compare("/usr/bin:/bin", "--llama_server", cli.path "broken-server")
  tap.truthy(result.status <= 2, result.out .. result.err)
  tap.contains(found.other_ttft_ratio.reason or "", "status 1: error: unknown model architecture")
end)

cli.clean_up()
tap.done()

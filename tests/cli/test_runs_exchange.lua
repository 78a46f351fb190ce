--- runs.lua export and import: our own runs, llama-bench, k6, CSV.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local from, into = cli.path "from.db", cli.path "into.db"

local function runs(...)
  return { "runs.lua", ... }
end

local function import(text, ...)
  local path = cli.write(cli.path "imported", text)
  return cli.run(runs("import", path, "--store", into, ...))
end

local function newest(store)
  return json.decode(cli.expect(0, runs("show", "last", "--store", store, "--json", "-")).out)
end

for _ = 1, 2 do
  cli.expect(0, { "quick.lua", "--model", cli.model, "--runs", "1", "--warmup", "0", "--n_tokens",
                  "4", "--quiet", "--store", from })
end

tap.test("what was exported comes in as it was, once", function()
  local path = cli.path "runs.jsonl"
  tap.contains(cli.expect(0, runs("export", "--store", from, "--output", path)).out, "2 runs")
  tap.contains(cli.expect(0, runs("import", path, "--store", into)).out, "2 runs imported")
  tap.contains(cli.expect(0, runs("import", path, "--store", into)).out, "2 were there already")
  tap.equal(cli.expect(0, runs("export", "--store", into)).out, cli.read(path))
  local one = cli.expect(0, runs("export", "last", "--store", from)).out
  tap.equal(select(2, one:gsub("\n", "")), 1)
  tap.equal(json.decode(one).run.params.n_tokens, 4)
end)

tap.test("a line that is no report is named, and what came before it is kept", function()
  local store = cli.path "half.db"
  local good = cli.expect(0, runs("export", "last", "--store", from)).out
  local path = cli.write(cli.path "half.jsonl", good .. '{"schema":"other"}\n')
  cli.one_line(cli.expect(3, runs("import", path, "--store", store, "--format", "woolly")).err,
               "line 2", "woolly-report/1")
  tap.equal(#json.decode(cli.expect(0, runs("--store", store, "--json", "-")).out).runs, 1)
  local without = good:gsub('"machine":%b{},', "", 1)
  path = cli.write(cli.path "half.jsonl", without)
  cli.one_line(cli.expect(3, runs("import", path, "--store", store)).err, "line 1", "machine")
end)

tap.test("llama-bench's JSON becomes a run for each test", function()
  local test = [[{"build_commit":"abc","cpu_info":"Some CPU","gpu_info":"","n_prompt":%d,"n_gen":%d,
    "model_filename":"models/m.gguf","model_type":"llama 1B Q4_0","n_threads":2,
    "test_time":"2026-01-02T03:04:05Z","avg_ts":41.0,"samples_ts":[40.0,41.0,42.0]}]]
  local text = "[" .. test:format(512, 0) .. "," .. test:format(0, 128) .. ","
    .. test:format(512, 128) .. "]"
  local result = import(text)
  tap.equal(result.status, 0, result.err)
  tap.contains(result.out, "2 runs imported")
  tap.contains(result.out, "test 3: prompt and decode in one figure")
  local report = newest(into)
  tap.equal(report.run.scenario, "llama-bench")
  tap.equal(report.run.params.n_gen, 128)
  tap.equal(report.metrics[1].name, "tokens_per_second")
  tap.equal(#report.metrics[1].samples, 3)
  tap.contains(import(text).out, "2 were there already")
  cli.one_line(import("[{}]").err, "test 1", "model_filename")
  local lines = test:format(512, 0):gsub("\n%s*", "") .. "\n"
    .. test:format(0, 64):gsub("\n%s*", "")
  tap.contains(import(lines .. "\n").out, "1 runs imported")
end)

tap.test("k6's summary gives latency and failures, in both of its forms", function()
  local export = '{"metrics":{"http_req_duration":{"avg":5,"med":4.5,"p(95)":9},'
    .. '"http_req_failed":{"passes":1,"fails":99,"value":0.01}}}'
  local result = import(export, "--date", "2026-02-03T04:05:06Z", "--scenario", "api")
  tap.equal(result.status, 0, result.err)
  local report = newest(into)
  tap.equal(report.run.scenario, "api")
  tap.equal(report.run.started, "2026-02-03T04:05:06.000Z")
  tap.equal(report.metrics[1].name, "e2e_ms")
  tap.equal(report.metrics[2].name, "error_rate")
  tap.equal(report.metrics[2].samples[1], 0.01)
  local handled = '{"metrics":{"http_req_duration":{"type":"trend","values":{"med":7.5}}}}'
  tap.contains(import(handled).out, "has no date: now was taken")
  cli.one_line(import('{"metrics":{}}').err, "http_req_duration")
end)

tap.test("dates and values become runs in the order of the dates", function()
  local text = "date,tokens_per_second,ttft_ms\n2026-01-03,12,\n2026-01-02T10:00:00+02:00,11,5\n"
  tap.contains(import(text, "--scenario", "old").out, "2 runs imported")
  local report = newest(into)
  tap.equal(report.run.started, "2026-01-03T00:00:00.000Z")
  tap.equal(#report.metrics, 1)
  tap.contains(import(text, "--scenario", "old").out, "2 were there already")
  tap.contains(import("1767323045 ; 3\n", "--metric", "load_ms").out, "1 runs imported")
  tap.equal(newest(into).run.started, "2026-01-02T03:04:05.000Z")
end)

tap.test("names from a file reach the terminal without control bytes", function()
  local text = cli.expect(0, runs("export", "last", "--store", from)).out
    :gsub('"scenario":"quick"', '"scenario":"\\u001b[31mred"', 1)
    :gsub('"id":"%w%w%w%w', '"id":"7ZZZ', 1)
  local result = import(text)
  tap.equal(result.status, 0, result.err)
  local scripts = { runs("--store", into), { "trend_analysis.lua", "--store", into },
                    { "alerts.lua", "--store", into } }
  for _, words in ipairs(scripts) do
    local out = cli.run(words).out
    tap.truthy(not out:find("\27", 1, true), words[1])
  end
  tap.contains(cli.run(scripts[2]).out, "?[31mred")
end)

tap.test("what is wrong in a CSV is named with its line", function()
  cli.one_line(import("2026-01-02,1\n2026-13-01,2\n", "--metric", "ttft_ms").err, "line 2",
               "2026-13-01")
  cli.one_line(import("2026-01-02,fast\n", "--metric", "ttft_ms").err, "line 1", "fast")
  cli.one_line(import("2026-01-02,-1\n", "--metric", "ttft_ms").err, "line 1", "negative")
  cli.one_line(import("2026-01-02,1\n").err, "--metric")
  cli.one_line(import("date,ttft_m\n2026-01-02,1\n").err, "unknown metric 'ttft_m'", "ttft_ms")
  cli.one_line(import("").err, "empty")
  cli.one_line(cli.expect(3, runs("import", cli.path "absent", "--store", into)).err,
               "no such file")
end)

cli.clean_up()
tap.done()

--- regression.lua: baselines of a store, re-runs of what is suspect, refusals.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local MODEL <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"
local store = cli.path "woolly.db"
local OPTIONS <const> = { "--model", MODEL, "--preset", "p3", "--threads", "1", "--store", store,
                          "--quiet" }

local function with(first, ...)
  local words = { first }
  table.move(OPTIONS, 1, #OPTIONS, #words + 1, words)
  return table.move({ ... }, 1, select("#", ...), #words + 1, words)
end

local function history(...)
  cli.expect(0, { cli.source .. "/tests/support/make_history.lua", store, ... })
end

local function fresh()
  os.remove(store)
  cli.expect(0, with("quick.lua", "--runs", "5"))
end

local function judge(...)
  local path = cli.path "verdict.json"
  local result = cli.run(with("regression.lua", "--json", path, "--runs", "5", ...))
  return result, result.status <= 2 and json.decode(cli.read(path))
end

tap.test("without a history it cannot judge, and says how many runs it needs", function()
  os.remove(store)
  local result, found = judge()
  tap.equal(result.status, 2, result.err)
  tap.contains(result.out, "0 earlier runs like this one, 8 make a stable segment")
  tap.equal(#found.runs, 1)
  result = judge("--baseline", "yesterday")
  tap.equal(result.status, 2)
  tap.contains(result.out, "no run like this one on an earlier day")
end)

-- Factors are far beyond what a busy machine does to a run.
tap.test("slower than before is suspect, run again twice, and confirmed", function()
  fresh()
  history("20", "20", "0.02", "1")
  local result, found = judge()
  tap.equal(result.status, 1, result.err)
  tap.equal(#found.runs, 3)
  tap.equal(found.confirmed, true)
  tap.contains(result.out, "REGRESSION CONFIRMED after 3 runs")
  tap.truthy(result.out:match "the stable segment: 2[01] runs", result.out)
  tap.truthy(result.out:match "because: same machine %x+, model %x+, target native p3", "why")
  for _, line in ipairs(found.lines) do
    if line.metric == "tokens_per_second" then
      tap.equal(line.verdict, "regressed")
      tap.equal(line.against, "segment")
      tap.truthy(line.change < -0.05, "for the worse")
    end
  end
end)

tap.test("yesterday's run is a baseline too", function()
  fresh()
  history("3", "20", "0.02", "1")
  local result = judge("--baseline", "yesterday", "--metrics", "tokens_per_second")
  tap.equal(result.status, 1, result.err)
  tap.contains(result.out, "compared with yesterday")
  tap.truthy(not result.out:find("ttft_ms", 1, true), "only what was asked for")
end)

tap.test("faster than before is reported as better and passes", function()
  fresh()
  history("20", "0.02", "0.02", "1")
  local result = judge()
  tap.equal(result.status, 0, result.err)
  tap.contains(result.out, "IMPROVED after 3 runs")
end)

tap.test("a pinned release is compared with as well: slow drift does not get through", function()
  fresh()
  history("12", "20", "0.01", "1")
  cli.expect(0, { "runs.lua", "pin", "release", "--store", store })
  history("20", "0.05", "0.01", "0.5") -- back at what it really is: the segment says nothing
  local result = judge("--metrics", "tokens_per_second")
  tap.equal(result.status, 1, result.err .. result.out)
  tap.contains(result.out, "compared with pinned as release")
end)

tap.test("a stored run is judged without measuring; a suspect stays one", function()
  fresh()
  history("20", "1", "0.01", "1")
  history("1", "0.5", "0", "0")
  local result, found = judge("--run", "last")
  tap.equal(result.status, 2, result.err)
  tap.contains(result.out, "SUSPECT, NOT CONFIRMED after 1 run")
  tap.equal(#found.runs, 1)
end)

tap.test("runs of other models, presets and options are left out, and counted", function()
  fresh()
  history("10", "1", "0.01", "1")
  local result = judge("--preset", "p2", "--run", "last")
  tap.truthy(result.out:match "stable segment: 1[01] runs", result.out)
  local other = cli.run(with("regression.lua", "--runs", "5", "--", "--n_tokens", "8"))
  tap.equal(other.status, 2)
  tap.contains(other.out, "0 earlier runs like this one")
  tap.contains(other.out, "left out: runs 11 of other options of the scenario")
end)

tap.test("a baseline of another model is refused", function()
  local path = cli.path "other.json"
  cli.expect(0, { "quick.lua", "--model", cli.model, "--preset", "p3", "--threads", "1", "--store",
                  "none", "--save", path, "--quiet", "--runs", "5" })
  local result = judge("--baseline", path)
  tap.equal(result.status, 2)
  tap.contains(result.out, "cannot be compared: measured with model")
  cli.expect(0, with("quick.lua", "--save", path, "--runs", "5"))
  local text = cli.read(path):gsub('("fingerprint": ?")%x+', "%1feedfeedfeedfeed")
  cli.write(path, text)
  tap.contains(judge("--baseline", path).out,
               "cannot be compared: measured on machine feedfeedfeedfeed")
  cli.expect(0, with("quick.lua", "--save", path, "--runs", "5", "--n_tokens", "8"))
  tap.contains(judge("--baseline", path).out, "cannot be compared: other options")
end)

tap.test("--baseline of any scenario judges its run, and runs nothing again", function()
  fresh()
  history("20", "20", "0.01", "1")
  local result = cli.run(with("quick.lua", "--runs", "5", "--baseline", "stable"))
  tap.equal(result.status, 2, result.err)
  tap.truthy(result.out:match "compared with the stable segment: 2[01] runs", result.out)
  tap.contains(result.out, "suspect  tokens_per_second")
  tap.contains(result.out, "regression.lua would run it again")
  local first = with("quick.lua", "--baseline", "stable", "--store", "none")
  cli.one_line(cli.expect(3, first).err, "--baseline stable", "store")
  cli.one_line(cli.expect(3, with("quick.lua", "--baseline", "absent")).err, "'absent'",
               "there is none")
end)

tap.test("mistakes are one line and status 3", function()
  cli.one_line(cli.expect(3, with("regression.lua", "--tolerance", "5")).err, "--tolerance", "0..1")
  cli.one_line(cli.expect(3, with("regression.lua", "--scenario", "quik")).err, "quik", "quick")
  cli.one_line(cli.expect(3, with("regression.lua", "--metrics", "tps")).err, "metric 'tps'")
  cli.one_line(cli.expect(3, with("regression.lua", "--baseline", "absent")).err, "absent")
  cli.one_line(cli.expect(3, { "regression.lua", "--store", "none", "--run", "last" }).err, "--run")
end)

cli.clean_up()
tap.done()

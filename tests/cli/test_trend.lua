--- trend_analysis.lua: changes in a stored history, dates, the plan's trajectory.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local MODEL <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"
local store = cli.path "woolly.db"

local function history(...)
  cli.expect(0, { cli.source .. "/tests/support/make_history.lua", store, ... })
end

local function trend(...)
  local path = cli.path "trend.json"
  local result = cli.run { "trend_analysis.lua", "--store", store, "--json", path, ... }
  return result, result.status <= 2 and json.decode(cli.read(path))
end

tap.test("a history of one run is too short, and has no trajectory", function()
  cli.expect(0, { "quick.lua", "--model", MODEL, "--preset", "p3", "--threads", "1", "--runs", "5",
                  "--store", store, "--quiet" })
  local result = trend()
  tap.equal(result.status, 2, result.err)
  tap.contains(result.out, "TREND: CANNOT JUDGE: no history of 8 runs")
  tap.contains(result.out, "missing      phase1  expected    100 x")
end)

tap.test("a step in the window is shown with its run, and ends with status 1", function()
  history("60", "1", "0.01", "0.5", "51", "0.8")
  local result, found = trend("--window", "7days")
  tap.equal(result.status, 1, result.err)
  tap.contains(result.out, "TREND: GOT WORSE")
  local group = found.groups[1]
  tap.equal(group.scenario, "quick")
  for _, one in ipairs(group.trends) do
    if one.metric == "tokens_per_second" then
      tap.equal(#one.points, 1)
      tap.near(one.points[1].change, -0.2, 0.03)
      tap.equal(one.points[1].age, 10)
    end
  end
  tap.equal(trend("--window", "2days").status, 0, "older than the window")
end)

tap.test("limits of a gate get a date or the reason why there is none", function()
  local result = trend("--gate", "phase1", "--metric", "tokens_per_second")
  tap.contains(result.out, "limit >= 0.1: met")
  local gate = cli.write(cli.path "far.lua",
                         "return { limits = { tokens_per_second = { min = 1e9 } } }")
  result = trend("--gate", gate, "--metric", "tokens_per_second")
  tap.truthy(result.out:match "limit >= [%d.e+]+: no date: ", result.out)
end)

tap.test("the trajectory takes the newest factor of each preset, and its roof", function()
  local line = '{"schema":"woolly-report/1","run":{"id":"%s","scenario":"inference_speed",'
    .. '"started":"2026-01-02T03:04:05.678Z","target":"native","preset":"%s","switches":{},'
    .. '"params":{},"seed":1,"commit":null,"tags":{},"status":"complete"},'
    .. '"machine":{"fingerprint":"0123456789abcdef"},"model":null,"gate":null,"status":0,'
    .. '"metrics":[{"name":"improvement_factor","unit":"x","better":"higher","n":5,"median":%g,'
    .. '"low":%g,"high":%g,%s"samples":[%g,%g,%g,%g,%g]}]}\n'
  local function report(id, preset, value, roof)
    return line:format(id, preset, value, value * 0.99, value * 1.01,
                       roof and '"roof":' .. roof .. "," or "", value, value, value, value, value)
  end
  local path = cli.write(cli.path "runs.jsonl", report("01ABCDEFGHJKMNPQRSTVWXYZ01", "p1", 50)
    .. report("01ABCDEFGHJKMNPQRSTVWXYZ02", "p1", 120)
    .. report("01ABCDEFGHJKMNPQRSTVWXYZ03", "p2", 700, 9000)
    .. report("01ABCDEFGHJKMNPQRSTVWXYZ04", "p4", 800))
  cli.expect(0, { "runs.lua", "import", path, "--store", store })
  local result, found = trend("--scenario", "inference_speed")
  local verdicts = {}
  for i, step in ipairs(found.trajectory) do verdicts[i] = step.verdict end
  tap.equal(table.concat(verdicts, ", "), "on target, behind, missing, unreachable, missing")
  tap.contains(result.out, "phase1  expected    100 x  measured 120.0 x")
  tap.contains(result.out, "the roof of this machine and model is 9000")
end)

tap.test("what is wrong is one line and status 3", function()
  cli.one_line(trend("--window", "7 moons").err, "--window", "7 moons")
  cli.one_line(trend("--metric", "tokens").err, "unknown metric 'tokens'")
  cli.one_line(trend("--gate", "phase9").err, "phase9")
  cli.one_line(cli.expect(3, { "trend_analysis.lua", "--store", cli.path "absent" }).err,
               "no such file")
end)

cli.clean_up()
tap.done()

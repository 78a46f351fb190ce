--- Counters as a user meets them: counted or missing with the reason, as root and as anyone else;
--- a gate on a hardware metric says "cannot judge" where only that is missing.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local QUANTISED <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"

local is_root = io.popen("id -u"):read("l") == "0"
local users = { { name = "this user" } }
if is_root then
  users[2] = { name = "an ordinary user",
               before = "setpriv --reuid=65534 --regid=65534 --clear-groups" }
end

-- What the reasons begin to tell, one of them for every way to be refused.
local REASONS <const> = { "no hardware counters on this machine", "not permitted", "refused",
                          "does not count", "no counter is free", "no performance events",
                          "of the time", "no time on the PMU" }

local function is_reason(text)
  for _, part in ipairs(REASONS) do
    if text:find(part, 1, true) then return true end
  end
  return false
end

for _, user in ipairs(users) do
  tap.test("counters.lua counts a scenario or says why not, for " .. user.name, function()
    local result = cli.run({ "counters.lua", "page-faults", "cycles", "no-such-event", "--json",
                             "-", "--", "smoke.lua", "--store", "none", "--quiet", "--model",
                             QUANTISED },
                           { before = user.before, cwd = "/" })
    if result.status == 2 then -- nothing at all may be counted here
      tap.truthy(is_reason(result.err), result.err)
      return
    end
    tap.equal(result.status, 0, result.err)
    local found = json.decode(result.out)
    tap.contains(found.missing["no-such-event"], "not known")
    for _, event in ipairs { "page-faults", "cycles" } do
      local value, reason = found.events[event], found.missing[event]
      tap.truthy(value and value > 0 or is_reason(reason), event)
    end
  end)

  tap.test("hardware metrics are measured or missing with the reason, for " .. user.name, function()
    local result = cli.run({ "dequantization_performance.lua", "--store", "none", "--quiet",
                             "--json", "-", "--model", QUANTISED, "--n_samples", "1", "--min_ms",
                             "0.1", "--sampled_s", "0.1" }, { before = user.before, cwd = "/" })
    tap.truthy(result.status <= 2, result.err)
    for _, metric in ipairs(json.decode(result.out).metrics) do
      if metric.name == "cache_miss_ratio" then
        tap.truthy(metric.n > 0 or is_reason(metric.reason), metric.reason)
      elseif metric.name == "simd_instruction_usage" then
        tap.truthy(metric.n == 5 or #metric.reason > 20, metric.reason)
        if metric.n > 0 then tap.truthy(metric.median > 0 and metric.median <= 1, "share") end
      end
    end
  end)
end

tap.test("a gate on a hardware metric cannot judge where only that is missing", function()
  local gate = cli.write(cli.path("hardware.lua"), [[return {
    title = "Hardware",
    limits = { dequantization_gb_per_second = { min = 0 }, cache_miss_ratio = { max = 1 } },
  }]])
  local result = cli.run { "dequantization_performance.lua", "--store", "none", "--quiet", "--json",
                           "-", "--model", QUANTISED, "--n_samples", "7", "--min_ms", "0.05",
                           "--sampled_s", "0.01", "--gate", gate }
  local document = json.decode(result.out)
  local verdicts = {}
  for _, limit in ipairs(document.gate.limits) do verdicts[limit.metric] = limit end
  tap.equal(verdicts.dequantization_gb_per_second.verdict, "pass")
  if verdicts.cache_miss_ratio.verdict == "missing" then
    tap.equal(result.status, 2, "status")
    tap.truthy(is_reason(verdicts.cache_miss_ratio.reason), "reason")
  else
    tap.truthy(result.status <= 2, "status")
  end
end)

tap.test("counters.lua lists events by a part of their names", function()
  local result = cli.expect(0, { "counters.lua", "--list", "LLC-load", "page-faults" })
  for _, name in ipairs { "LLC-loads", "LLC-load-misses", "page-faults" } do
    tap.contains(result.out, name)
  end
  tap.truthy(not result.out:find("dTLB", 1, true), "others")
end)

tap.test("counters.lua and profile.lua say what they need", function()
  tap.contains(cli.expect(3, { "counters.lua", "cycles" }).err, "usage: woolly-lua counters.lua")
  tap.contains(cli.expect(3, { "profile.lua" }).err, "--pid N or --model FILE")
  local gone = cli.expect(2, { "profile.lua", "--pid", "1073741823" })
  tap.truthy(gone.err:find("no process", 1, true) or gone.err:find("decod", 1, true), gone.err)
end)

tap.test("counters.lua ends with the status of what it ran", function()
  local result = cli.run { "counters.lua", "page-faults", "--", "no_such_scenario.lua" }
  tap.truthy(result.status == 3 or result.status == 2, result.err)
end)

tap.test("profile.lua tells functions and shares, or why not", function()
  local result = cli.run { "profile.lua", "--model", QUANTISED, "--seconds", "0.3", "--preset",
                           "p2", "--json", "-" }
  if result.status == 2 then
    tap.truthy(#result.err > 30, result.err)
    return
  end
  tap.equal(result.status, 0, result.err)
  local profile = json.decode(result.out)
  tap.truthy(profile.n_samples > 20 and #profile.functions > 1, "samples")
  tap.truthy(profile.instructions.packed.share >= 0, "share")
end)

tap.test("counters_cost measures what counting and sampling cost", function()
  local runs = cli.sanitized and 2 or 5
  -- A cache of its own: a machine that was calibrated while busy would refuse the gate.
  local result = cli.run({ "counters_cost.lua", "--store", "none", "--quiet", "--json", "-",
                           "--model", QUANTISED, "--runs", tostring(runs), "--warmup", "0", "--n_reads",
                           "100" }, { env = "XDG_CACHE_HOME=" .. cli.path("cache") })
  tap.truthy(result.status <= 2, result.err)
  for _, metric in ipairs(json.decode(result.out).metrics) do
    tap.truthy(metric.n == runs or #metric.reason > 20, metric.name)
  end
end)

cli.clean_up()
tap.done()

--- The faulty target: what was planted is what the scenarios report.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local QUANTISED <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"

local function run(script, faults, ...)
  return cli.run({ script, "--store", "none", "--quiet", "--json", "-", "--model", QUANTISED,
                   "--target", "faulty", "--faults", faults, "--runs", "2", ... })
end

local function metric(result, name)
  for _, found in ipairs(json.decode(result.out).metrics) do
    if found.name == name then return found end
  end
  error(name .. ": not in the report\n" .. result.err, 2)
end

tap.test("allocations and leaks are counted exactly", function()
  local result = run("memory_allocation.lua", "allocate=3,leak=4096", "--preset", "p2")
  tap.equal(metric(result, "hot_path_allocations").median, 4)
  tap.truthy(metric(result, "leak_bytes_per_token").median >= 4096)
  tap.equal(metric(run("memory_allocation.lua", "allocate=1", "--preset", "p2"),
                   "hot_path_allocations").median, 1)
end)

tap.test("corrupted logits are never timed", function()
  local result = run("quick.lua", "corrupt=3")
  tap.equal(result.status, 1)
  tap.contains(result.err .. result.out, "Nothing was timed")
end)

tap.test("tokens that were never run are no tokens", function()
  local result = run("quick.lua", "skip=0.25")
  tap.equal(result.status, 1)
  tap.contains(result.err .. result.out, "tokens run through the network")
end)

tap.test("a clock that runs slow shows rates above the roof: refused", function()
  local words = { "inference_speed.lua", "--store", "none", "--quiet", "--json", "-", "--model",
                  QUANTISED, "--target", "faulty", "--faults", "drift=0.99", "--runs", "2",
                  "--preset", "p2" }
  local options = { env = "WOOLLY_STRICT=1 XDG_CACHE_HOME=" .. cli.path("cache") }
  local result = cli.run(words, options)
  local rate = metric(result, "tokens_per_second")
  if cli.sanitized then return tap.equal(rate.roof, nil) end -- no roofs of such a build
  tap.equal(result.status, 5)
  tap.equal(rate.n, 0)
  tap.equal(#rate.refused, 2)
  tap.contains(rate.reason, "times its roof")
end)

tap.test("the report says what was planted", function()
  local run_facts = json.decode(run("quick.lua", "sleep=down:10").out).run
  tap.equal(run_facts.target, "faulty")
  tap.equal(run_facts.switches.faults, "sleep=down:10")
end)

tap.test("faults and their target go together; a wrong one is named", function()
  local alone = cli.run { "quick.lua", "--faults", "leak=1" }
  tap.equal(alone.status, 3)
  tap.contains(alone.err, "--target faulty")
  tap.equal(cli.run({ "quick.lua", "--target", "faulty" }).status, 3)
  local unknown = run("quick.lua", "sleep=kitchen:10")
  tap.equal(unknown.status, 3)
  tap.contains(unknown.err, "unknown operation \"kitchen\"")
end)

cli.clean_up()
tap.done()

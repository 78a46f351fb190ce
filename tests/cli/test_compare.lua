--- compare.lua: interleaved pairs of processes, verdicts, the operation that took the difference.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local MODEL <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"

local function compare(a, b, ...)
  local path = cli.path "found.json"
  local result = cli.run { "compare.lua", a, b, "--model", MODEL, "--threads", "1", "--pairs", "8",
                           "--runs", "1", "--n_tokens", "16", "--quiet", "--json", path, ... }
  return result, result.status <= 2 and json.decode(cli.read(path))
end

for _, operation in ipairs { "down", "qkv" } do
  tap.test("a sleep planted in " .. operation .. " is found and blamed on it", function()
    local result, found = compare("p3", "p3 --faults sleep=" .. operation .. ":400")
    tap.equal(result.status, 1, result.err)
    tap.equal(found.verdict, "slower")
    tap.equal(found.blamed, operation)
    tap.equal(found.pairs, 8)
    tap.contains(result.out, "COMPARISON: B IS SLOWER")
    tap.contains(result.out, operation .. " took")
    tap.contains(result.out, "greedy tokens equal from the first on: 16 of 16")
  end)
end

tap.test("the other way round B is faster, which passes", function()
  local result, found = compare("p3 --faults sleep=output:2000", "p3")
  tap.equal(result.status, 0, result.err)
  tap.equal(found.verdict, "faster")
  tap.equal(found.blamed, "output")
end)

tap.test("another build of the program is a side", function()
  local copy = cli.path "other-woolly"
  assert(cli.shell("cp " .. cli.quote(cli.program) .. " " .. copy).status == 0)
  local result, found = compare("p3", "p3 " .. copy, "--threshold", "0.9")
  tap.truthy(result.status == 0 or result.status == 2, result.err)
  tap.truthy(found.verdict == "same" or found.verdict == "undecided", found.verdict)
  tap.contains(result.out, copy)
end)

tap.test("where there is no profile the reason is told", function()
  local result, found = compare("null", "p0")
  tap.equal(result.status, 1, result.err)
  tap.contains(result.out, "by operation: cannot be told: null: target null shows nothing")
  tap.equal(found.operations, nil)
end)

tap.test("a side whose answers are wrong is never timed", function()
  local result = compare("p3", "p3 --faults corrupt=3")
  tap.equal(result.status, 1)
  cli.one_line(result.err, "Nothing was timed")
end)

tap.test("mistakes are one line and status 3", function()
  cli.one_line(compare("p3", "p3").err, "say the same")
  cli.one_line(compare("p3", "p33").err, "p33")
  cli.one_line(compare("p3", "nativ").err, "did you mean 'native'")
  cli.one_line(compare("p3", "p4", "--pairs", "2").err, "5..1000")
  cli.one_line(compare("p3", "p4", "--threshold", "5").err, "--threshold")
  cli.one_line(cli.expect(3, { "compare.lua", "p3" }).err, "two sides")
end)

cli.clean_up()
tap.done()

--- The words behind the script's name.
local options = require "woolly.options"
local tap = require "tap"

local function parse(...) return options.parse({ ... }, options.scenario) end

local function refused(words, ...)
  local message = tap.raises(function() parse(table.unpack(words)) end)
  for _, part in ipairs { ... } do tap.contains(message, part) end
end

tap.test("defaults are filled in, given tells what was set", function()
  local values, positional, given = parse("--runs", "7")
  tap.equal(values.runs, 7)
  tap.equal(values.store, "woolly.db")
  tap.equal(values.seed, 1)
  tap.equal(#positional, 0)
  tap.equal(given.runs, true)
  tap.equal(given.store, nil)
end)

tap.test("values come behind = or as the next word", function()
  tap.equal(parse("--model=a=b").model, "a=b")
  tap.equal(parse("--model", "--x").model, "--x")
  tap.equal(parse("--duration", "1e3").duration, 1000.0)
end)

tap.test("hyphens and underscores are the same", function()
  tap.equal(parse("--dry_run")["dry-run"], true)
  tap.equal(parse("--dry-run=off")["dry-run"], false)
end)

tap.test("lists and tags", function()
  tap.equal(table.concat(parse("--threads", "1,2,4").threads, " "), "1 2 4")
  local tags = parse("--tag", "a=1", "--tag", "b=x=y").tag
  tap.equal(tags.a, "1")
  tap.equal(tags.b, "x=y")
end)

tap.test("mistakes name the option, what was found and what is allowed", function()
  refused({ "--treads", "2" }, "--treads", "--help")
  refused({ "--treads", "2" }, "threads")
  refused({ "--runs", "many" }, "--runs", "many", "whole number")
  refused({ "--runs", "1.5" }, "1.5")
  refused({ "--runs", "0" }, "--runs", "0", "1..100000")
  refused({ "--runs" }, "--runs", "value")
  refused({ "--timeout", "-1" }, "--timeout", "-1")
  refused({ "--timeout", "nan" }, "--timeout")
  refused({ "--threads", "0" }, "--threads", "0")
  refused({ "--threads", "1,1000000000" }, "1000000000")
  refused({ "--threads", "1,,2" }, "--threads")
  refused({ "--tag", "x" }, "KEY=VALUE")
  refused({ "--quiet=perhaps" }, "perhaps")
  refused({ "-x" }, "-x")
end)

tap.test("options of later versions say so", function()
  refused({ "--window", "x" }, "--window", "not in this version")
end)

tap.test("params become options by the type of their default", function()
  local specs = options.from_params {
    n = { default = 3, help = "a" }, x = { default = 0.5, help = "b" },
    on = { default = false, help = "c" }, name = { help = "d" },
    kind = { default = "a", choices = { "alpha", "beta" }, help = "e" },
    must = { type = "string", required = true, help = "f" },
  }
  local values = options.parse({ "--n", "4", "--on", "--must", "y", "--kind", "beta" }, specs)
  tap.equal(values.n, 4)
  tap.equal(values.x, 0.5)
  tap.equal(values.on, true)
  tap.equal(values.kind, "beta")
  tap.contains(tap.raises(function() options.parse({}, specs) end), "--must")
  tap.contains(tap.raises(function()
    options.parse({ "--must", "y", "--kind", "betta" }, specs)
  end), "did you mean 'beta'")
end)

tap.test("words after -- are words", function()
  local _, positional = parse("a", "--", "--runs")
  tap.equal(table.concat(positional, " "), "a --runs")
end)

tap.test("switches: on and off, numbers, names", function()
  local switches = options.switches "simd=off,pool=on,weight_cache_mb=64,backend=avx2, threads=1"
  tap.equal(switches.simd, false)
  tap.equal(switches.pool, true)
  tap.equal(switches.weight_cache_mb, 64)
  tap.equal(switches.backend, "avx2")
  tap.equal(switches.threads, 1)
  tap.equal(next(options.switches(nil)), nil)
  tap.contains(tap.raises(function() options.switches "simd" end), "NAME=VALUE")
end)

tap.done()

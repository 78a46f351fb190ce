--- The failures a new user meets: one clear line, the right status, nothing lost.
local cli = require "cli"
local tap = require "tap"

local store = "sqlite:" .. cli.path("woolly.db")
local short = { "--model", cli.model, "--runs", "5", "--store", store }

local function words(first, ...)
  local all = { first, table.unpack(short) }
  table.move({ ... }, 1, select("#", ...), #all + 1, all)
  return all
end

tap.test("a model file that is not there: status 3, the path, the next step", function()
  local result = cli.expect(3, { "smoke.lua", "--model", "models/none.gguf", "--store", store })
  cli.one_line(result.err, "woolly: ", "models/none.gguf")
end)

tap.test("a script that is not there: status 3, where it was looked for, the nearest", function()
  cli.one_line(cli.expect(3, { "fase1.lua" }).err, "fase1.lua", "phase1")
end)

tap.test("a typo in an option: status 3 and the nearest option", function()
  cli.one_line(cli.expect(3, words("smoke.lua", "--treads", "2")).err, "--treads", "--threads")
end)

tap.test("a value of the wrong kind: status 3, the option and what is allowed", function()
  cli.one_line(cli.expect(3, { "smoke.lua", "--runs", "many" }).err, "--runs", "many")
  cli.one_line(cli.expect(3, { "smoke.lua", "--runs", "0" }).err, "--runs", "0")
end)

tap.test("a typo in a gate: status 3 before anything is measured, the nearest metric", function()
  local gate = cli.write(cli.path("typo.lua"), [[
return { title = "Typo", limits = { tokens_per_secnd = { min = 0.1 } } }
]])
  local result = cli.expect(3, words("smoke.lua", "--gate", gate))
  cli.one_line(result.err, "typo.lua", "tokens_per_secnd", "tokens_per_second")
end)

tap.test("a gate that is a program is refused", function()
  local gate = cli.write(cli.path("program.lua"), [[
return { title = "x", limits = { tokens_per_second = { min = os.time() } } }
]])
  cli.one_line(cli.expect(3, words("smoke.lua", "--gate", gate)).err, "program.lua:1")
  local loop = cli.write(cli.path("loop.lua"), "while true do end\n")
  cli.one_line(cli.expect(3, words("smoke.lua", "--gate", loop)).err, "loop.lua")
end)

tap.test("a folder that cannot be written: status 4 before anything is measured", function()
  local closed = cli.path("closed")
  cli.shell("mkdir " .. closed .. " && chmod 555 " .. closed)
  local before = ""
  local is_root = cli.shell("id -u").out:match("%d+") == "0"
  if is_root then before = "setpriv --reuid=65534 --regid=65534 --clear-groups" end
  -- Root ignores permissions, so another user runs a copy that it can reach.
  local program = cli.path("woolly-lua")
  cli.shell("cp " .. cli.quote(cli.program) .. " " .. program .. " && cp -r " ..
            cli.quote(cli.source .. "/scenarios") .. " " .. cli.quote(cli.model) .. " " ..
            cli.folder() .. " && chmod -R a+rX " .. cli.folder())
  local result = cli.run({ cli.path("scenarios/smoke.lua"), "--model",
                           cli.path("stories260K.f32.gguf") },
                         { cwd = closed, before = before, program = program,
                           env = "HOME=" .. closed .. " XDG_CACHE_HOME=" .. closed })
  tap.equal(result.status, 4, result.err)
  cli.one_line(result.err, "woolly: ", "woolly.db")
  tap.equal(result.out:find("tokens_per_second"), nil, "nothing was measured")
end)

tap.test("Ctrl-C in mid-run: status 130 within seconds, what was measured is kept", function()
  local report = cli.path("partial.json")
  local result = cli.shell(string.format(
    "timeout --preserve-status -k 20 -s INT 3 %s inference_speed.lua --model %s --runs 100000 " ..
    "--warmup 0 --store %s --json %s", cli.quote(cli.program), cli.quote(cli.model),
    store, report))
  tap.equal(result.status, 130, result.out .. result.err)
  tap.contains(result.err, "interrupted")
  tap.contains(cli.read(report), '"status": "partial"')
  local runs = cli.expect(0, { "runs.lua", "list", "--store", store })
  tap.contains(runs.out, "partial")
  local shown = cli.expect(0, { "runs.lua", "show", "last", "--store", store })
  tap.contains(shown.out, "tokens_per_second")
end)

tap.test("a partial run is never judged as passed", function()
  local gate = cli.write(cli.path("easy.lua"), [[
return { title = "Easy", limits = { tokens_per_second = { min = 0.000001 } } }
]])
  local result = cli.run { "judge.lua", "--run", "last", "--gate", gate, "--store", store }
  tap.equal(result.status, 2, result.out .. result.err)
end)

tap.test("truncated models: status 3, the file and a byte offset", function()
  local whole = cli.read(cli.model)
  for _, length in ipairs { 0, 1, 3, 4, 8, 20, 24, 100, 5000, 12000, #whole // 2, #whole - 1 } do
    local file = cli.write(cli.path("cut.gguf"), whole:sub(1, length))
    local result = cli.expect(3, { "inspect.lua", "--model", file })
    cli.one_line(result.err, "cut.gguf", "byte")
  end
end)

tap.test("what is no regular file is no model", function()
  cli.one_line(cli.expect(3, { "inspect.lua", "--model", "/dev/zero" }).err, "/dev/zero")
  cli.one_line(cli.expect(3, { "inspect.lua", "--model", cli.folder() }).err, cli.folder())
end)

cli.clean_up()
tap.done()

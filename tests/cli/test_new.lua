--- A new user's path: a scenario of one's own, its gate, a changed limit, a red run with a reason,
--- the completions and the archive.
local cli = require "cli"
local tap = require "tap"

local function run(words) return cli.shell(cli.quote(cli.program) .. " " .. words) end

tap.test("new scenario NAME writes a scenario and a gate that run as they are", function()
  local made = run "new scenario my_speed --about 'My rates'"
  tap.equal(made.status, 0, made.err)
  tap.contains(made.out, "woolly-lua my_speed.lua --gate my_speed_gate.lua")
  tap.contains(run("my_speed.lua --help").out, "My rates")
  local found = run "my_speed.lua --quiet --gate my_speed_gate.lua --runs 5"
  tap.truthy(found.status == 0 or found.status == 2, found.out .. found.err) -- a busy machine
  tap.contains(found.out, "MY SPEED GATE: ")
end)

tap.test("it replaces nothing unless told, and refuses names that are paths", function()
  tap.equal(run("new scenario my_speed").status, 3)
  tap.equal(run("new scenario my_speed --force").status, 0)
  tap.equal(run("new scenario ../x").status, 3)
  tap.equal(run("new").status, 3)
end)

tap.test("a changed limit turns the kept run red, with the figure and the limit", function()
  local gate = cli.path "my_speed_gate.lua"
  cli.write(gate, (cli.read(gate):gsub("min = 10 ", "min = 1e9 ")))
  local found = run "judge.lua --run last --gate my_speed_gate.lua"
  tap.equal(found.status, 1, found.out .. found.err)
  tap.contains(found.out, "FAIL  tokens_per_second")
  tap.equal(run("report.lua last --junit red.xml").status, 0)
end)

tap.test("the first page of all runs", function()
  tap.equal(run("dashboard.lua --output first.html").status, 0)
end)

tap.test("completion knows scripts and their options", function()
  if cli.shell("command -v bash").status ~= 0 then return end
  local script = cli.source .. "/docs/completion/woolly-lua.bash"
  local function complete(...)
    local words = { cli.quote(cli.program), ... }
    return cli.shell(string.format("bash -c '. %s; COMP_WORDS=(%s); COMP_CWORD=%d; _woolly_lua; "
      .. "printf \"%%s\\n\" \"${COMPREPLY[@]}\"'", script, table.concat(words, " "),
      #words - 1)).out
  end
  tap.contains(complete("pha"), "phase1.lua")
  tap.contains(complete("smoke.lua", "--ju"), "--junit")
end)

tap.test("the manual page names every option of the command line", function()
  local page = cli.read(cli.source .. "/docs/woolly-lua.1"):gsub("\\%-", "-")
  for _, option in ipairs { "--list", "--version", "--memory-mb", "--lua-dir", "--junit",
                            "--gate" } do
    tap.contains(page, option)
  end
  if cli.shell("command -v man").status == 0 then
    local shown = cli.shell("man --warnings -l -Tutf8 " .. cli.source .. "/docs/woolly-lua.1")
    tap.equal(shown.err, "", "warnings")
  end
end)

cli.clean_up()
tap.done()

--- An installation works from anywhere: the program alone and the share folder beside it.
local cli = require "cli"
local tap = require "tap"

local prefix = cli.path("prefix")

tap.test("cmake --install copies the program, scenarios, gates and the bundled model", function()
  local result = cli.shell("cmake --install " .. cli.quote(cli.build) .. " --prefix " .. prefix)
  tap.equal(result.status, 0, result.out .. result.err)
  for _, file in ipairs { "bin/woolly-lua", "share/woolly-lua/scenarios/phase1.lua",
                          "share/woolly-lua/gates/phase1.lua",
                          "share/woolly-lua/models/stories260K.f32.gguf" } do
    tap.truthy(cli.exists(prefix .. "/" .. file), file)
  end
end)

tap.test("the installed program finds its scenarios, gates and model", function()
  -- Moved, so that nothing of the path it was built or installed with helps.
  cli.shell("mv prefix moved && mkdir elsewhere")
  local options = { cwd = cli.path("elsewhere"), program = cli.path("moved/bin/woolly-lua") }
  tap.contains(cli.expect(0, { "--list" }, options).out, "phase1")
  local result = cli.expect(0, { "memory_allocation.lua", "--model", "bundled:stories260K",
                                 "--store", "none", "--quiet" }, options)
  tap.contains(result.out, "PHASE 1 GATE, 3 OF 7 LIMITS: PASSED")
  local gate = cli.path("moved/share/woolly-lua/gates/phase1.lua")
  cli.write(gate, (cli.read(gate):gsub("title = \"[^\"]*\"", 'title = "Of the installation"')))
  result = cli.run({ "phase1.lua", "--help" }, options)
  tap.contains(result.out, "moved/")
end)

cli.clean_up()
tap.done()

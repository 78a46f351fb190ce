--- docs/examples/*.lua run and print what they say behind "-->"; together they call every public
--- function of the reference.
local cli = require "cli"
local meta_files = require "meta_files"
local tap = require "tap"

local EXAMPLES <const> = cli.source .. "/docs/examples/"
-- What is no script to run by itself.
local OTHERS <const> = { ["first_gate.lua"] = true }
-- Where an example shows an end with a message: its further words and status.
local ALSO <const> = { ["woolly_tool.lua"] = { { "no_such_file.lua" }, 3 },
                       ["woolly.lua"] = { { "--n_tokens", "100", "--store", "none" }, 3 } }

-- The program's own modules, with the notes of what is called in front.
cli.shell("cp -r " .. cli.quote(cli.source .. "/lua") .. " lua && cp "
          .. cli.quote(cli.source .. "/tests/support/called.lua") .. " lua/woolly/called.lua")
local entry = cli.path "lua/woolly/cli.lua"
cli.write(entry, 'require "woolly.called"\n' .. cli.read(entry))
local notes = cli.path "called"
cli.write(notes, "")

local function run(name, words)
  local command = { "--lua-dir", cli.path "lua", EXAMPLES .. name, table.unpack(words or {}) }
  return cli.run(command, { env = "WOOLLY_CALLED=" .. notes })
end

for _, name in ipairs(meta_files.names(EXAMPLES)) do
  if not OTHERS[name] then
    tap.test(name .. " runs and prints what it says", function()
      local result = run(name)
      tap.equal(result.status, 0, result.out .. result.err)
      local text = cli.read(EXAMPLES .. name)
      for expected in text:gmatch "%-%->%s*([^\n]-)%s*\n" do
        tap.contains(result.out, (expected:gsub("\\t", "\t")))
      end
      tap.truthy(#result.out > 0, "prints something")
      local also = ALSO[name]
      if also then tap.equal(run(name, also[1]).status, also[2], "status of its refusal") end
    end)
  end
end

tap.test("every public function is called by an example that ran", function()
  local called, lacks = {}, {}
  for name in cli.read(notes):gmatch "[^\n]+" do called[name] = true end
  for _, module in ipairs(meta_files.all(cli.source)) do
    for _, f in ipairs(module.functions) do
      if not called[f.name] then lacks[#lacks + 1] = f.name end
    end
  end
  tap.equal(table.concat(lacks, " "), "", "without an example")
end)

cli.clean_up()
tap.done()

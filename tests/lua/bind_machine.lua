-- woolly.machine: facts with a value, and nothing else.
local tap     = require "tap"
local machine = require "woolly.machine"

local TEXTS <const> = { "cpu", "arch", "isa", "kernel", "os", "hypervisor", "governor", "turbo",
                        "smt", "hostname", "fingerprint", "microcode" }
local NUMBERS <const> = { "n_cores", "n_online", "l1d_bytes", "l2_bytes", "l3_bytes",
                          "memory_bytes", "load_1m", "n_numa_nodes" }

tap.test("every fact has the type that is documented, none is empty", function()
  local info, known = machine.info(), {}
  for _, name in ipairs(TEXTS) do
    known[name] = true
    tap.truthy(info[name] == nil or type(info[name]) == "string" and info[name] ~= "", name)
  end
  for _, name in ipairs(NUMBERS) do
    known[name] = true
    tap.truthy(info[name] == nil or type(info[name]) == "number" and info[name] >= 0, name)
    tap.truthy(name == "load_1m" or info[name] ~= 0, name)
  end
  for name in pairs(info) do tap.truthy(known[name], "documented: " .. name) end
end)

tap.test("the fingerprint is 16 hexadecimal digits, the same each time", function()
  local first = machine.info().fingerprint
  tap.truthy(first:match("^%x+$") and #first == 16, first)
  tap.equal(machine.info().fingerprint, first)
end)

tap.test("there is a machine, a kernel and a schedulable processor", function()
  local info = machine.info()
  tap.truthy(info.arch and info.kernel, "names")
  tap.truthy(info.n_online >= 1, "processors")
end)

tap.done()

-- woolly-lua docs/examples/machine.lua: which machine is this? Part of every run that is kept.
local machine = require "woolly.machine"

local info = machine.info()
-- Runs are compared when their fingerprints are equal: CPU, cores, memory, kernel, virtualisation.
print("fingerprint", info.fingerprint) --> fingerprint

-- All that is known, sorted. What cannot be read here is absent, never 0 or "".
local names = {}
for name in pairs(info) do names[#names + 1] = name end
table.sort(names)
for _, name in ipairs(names) do
  assert(info[name] ~= "", name)
  print(name, info[name])
end

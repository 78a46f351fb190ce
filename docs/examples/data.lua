-- woolly-lua docs/examples/data.lua: Lua that is only data, from a file nobody need trust.
local data = require "woolly.data"

-- A gate: it may compute with numbers and call nothing. It runs in a state of its own.
local gate = assert(data.load([[
  local plain = 5.6 -- tokens/s of the plain program
  return { title = "Ten times", limits = { tokens_per_second = { min = 10 * plain } } }
]], "gates/mine.lua"))
print(gate.title, gate.limits.tokens_per_second.min) --> 56.0

-- It has no library: nothing is opened, started or changed.
local nothing, message = data.load("return os.remove('woolly.db')", "gates/evil.lua")
assert(nothing == nil)
print(message) --> gates/evil.lua:1

-- And it ends: by time and by memory, at the latest after the limits given.
local _, why = data.load("while true do end", "gates/endless.lua", { seconds = 0.05 })
print(why) --> gates/endless.lua

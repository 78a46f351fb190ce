--- Long form, run by hand: woolly-lua tests/long/planted_slowdowns.lua [TRIES] [US] [MODEL]
--- A sleep is planted in one operation after the other; compare.lua must find and blame each.
local child = require "woolly.child"
local process = require "woolly.process"

local OPERATIONS <const> = { "prepare", "qkv", "attention", "attn_output", "gate_up", "down",
                             "output" }

local tries, sleep_us = tonumber(arg[1] or 20), tonumber(arg[2] or 50)
local model = arg[3] or "synth:tiny-q4_0"

local found, blamed = 0, 0
for i = 1, tries do
  local operation = OPERATIONS[(i - 1) % #OPERATIONS + 1]
  local document = child.document { "compare.lua", "p4",
    string.format("p4 --faults sleep=%s:%d", operation, sleep_us), "--model=" .. model, "--quiet",
    "--seed=" .. i, "--n_tokens=16", "--threads=1" }
  local right = document.blamed == operation
  found = found + (document.verdict == "slower" and 1 or 0)
  blamed = blamed + (right and 1 or 0)
  io.write(string.format("%2d  sleep %d us in %-12s %-9s B / A %.3f [%.3f, %.3f]  %d pairs  "
    .. "blamed %s\n", i, sleep_us, operation, document.verdict, document.ratio, document.low,
    document.high, document.pairs, tostring(document.blamed)))
  io.stdout:flush()
  if process.interrupted() then break end
end
io.write(string.format("found %d of %d, blamed rightly %d of %d\n", found, tries, blamed, tries))
return blamed == tries and 0 or 1

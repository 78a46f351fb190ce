--- detector_power.lua prints the tables of docs/measuring.md; a small form of it runs here.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local GROUPS <const> = { "stable", "step", "pairs", "gate", "drift", "engine" }

tap.test("every group has rows of shares; the engine is tried too", function()
  local result = cli.run { "detector_power.lua", "--series", "12", "--tries", "1", "--quiet",
                           "--json", "-" }
  tap.truthy(result.status == 0 or result.status == 1, "status " .. result.status .. result.err)
  local counts = {}
  for _, row in ipairs(json.decode(result.out).rows) do
    counts[row.group] = (counts[row.group] or 0) + 1
    for name, share in pairs(row.cells) do
      tap.truthy(share >= 0 and share <= 1, row.case .. ": " .. name)
    end
  end
  for _, group in ipairs(GROUPS) do tap.truthy((counts[group] or 0) >= 3, group) end
end)

tap.test("the tables are those of docs/measuring.md: same rows, same columns", function()
  local page = cli.read(cli.source .. "/docs/measuring.md")
  local out = cli.run({ "detector_power.lua", "--series", "10", "--quiet" }).out
  local rows = 0
  for line in out:gmatch("[^\n]+") do
    local first, second = line:match("^| (.-) | (.-) |")
    if first and second == "histories" then
      tap.contains(page, line)
    elseif first and first ~= "---" then
      rows = rows + 1
      tap.contains(page, "| " .. first .. " |")
    end
  end
  tap.truthy(rows >= 20, rows .. " rows")
end)

tap.test("wrong options are refused with what is allowed", function()
  cli.one_line(cli.expect(3, { "detector_power.lua", "--series", "1" }).err, "--series", "10..")
end)

cli.clean_up()
tap.done()

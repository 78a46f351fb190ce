--- The nearest known name.
local suggest = require "woolly.suggest"
local tap = require "tap"

tap.test("distance counts edits and swaps of neighbours", function()
  for _, case in ipairs { { "", "", 0 }, { "abc", "abc", 0 }, { "abc", "", 3 }, { "", "ab", 2 },
                          { "kitten", "sitting", 3 }, { "ab", "ba", 1 }, { "Max", "max", 0 } } do
    tap.equal(suggest.distance(case[1], case[2]), case[3], case[1] .. " " .. case[2])
  end
end)

tap.test("close names are offered, far ones are not", function()
  tap.equal(suggest.nearest("treads", { "model", "threads", "timeout" }), "threads")
  tap.equal(suggest.nearest("zzzzzz", { "model", "threads" }), nil)
  tap.equal(suggest.hint("zzzzzz", { "model" }), "")
  tap.contains(suggest.hint("modle", { "model" }), "did you mean 'model'?")
end)

tap.test("endless names cost little", function()
  tap.equal(suggest.nearest(("x"):rep(1000000), { "model" }), nil)
end)

tap.done()

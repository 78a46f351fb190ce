--- Long form, run by hand (about five minutes): woolly-lua tests/long/edivisive_huge.lua [JSON]
--- E-divisive with numpy's permutations of seed 1234 on the longest published series: 117 points.
package.path = "tests/support/?.lua;" .. package.path
local changepoint = require "woolly.stats.changepoint"
local clock = require "woolly.clock"
local json = require "woolly.json"
local numpy_random = require "numpy_random"
local process = require "woolly.process"

local path = arg[1] or "../shared/data/stats/edivisive_huge.json"
local text, why_not = process.read_file(path)
if not text then
  print("skipped: " .. why_not)
  return 77
end
local data = assert(json.decode(text)).data
local start = clock.now_ns()
local found = changepoint.permutation(data.series, { p = 0.01,
                                                     shuffle = numpy_random.shuffler(1234) })
print(string.format("%d values: %d points, %d published, %.0f s", #data.series, #found,
                    data.expected, (clock.now_ns() - start) / 1e9))
return math.abs(#found - data.expected) <= 1 and 0 or 1

-- woolly-lua docs/examples/numeric.lua: statistics over samples. woolly.stats uses these and
-- says when which is right; the same seed gives the same interval everywhere.
local numeric = require "woolly.numeric"

local before = { 41.2, 40.9, 41.5, 41.1, 40.7, 41.3, 41.0, 41.4 }
local after  = { 44.0, 43.5, 44.4, 43.9, 43.8, 44.1, 36.0, 44.2 } -- one run was disturbed

-- 95 % intervals of the median, of a percentile, and of the gain.
print(string.format("median between %.1f and %.1f", assert(numeric.bootstrap_median(after))))
print(string.format("p90 between %.1f and %.1f", assert(numeric.bootstrap_percentile(after, 90))))
local low, high = assert(numeric.bootstrap_ratio(after, before, { resamples = 2000, seed = 7 }))
assert(low > 1, "the gain is real, in spite of the outlier")
print(string.format("gain between %.3f and %.3f", low, high)) --> gain between 1.0

-- Sorted copies, and the medians of 200 resamples for whatever else is to be read from them.
assert(numeric.sort(after)[1] == 36.0 and assert(numeric.median(after)) == 43.95)
local medians = assert(numeric.resample(after, { resamples = 200 }))
assert(#medians == 200 and medians[1] <= medians[200])

-- A history that falls by a tenth after the 20th run. Where? Two methods, and a permutation test
-- that says how often chance does as well.
local history = {}
for i = 1, 40 do history[i] = (i <= 20 and 50 or 45) + (i * 7 % 5) / 10 end
local index, statistic = assert(numeric.split(history, 1, #history))
print("the level changes at", index) --> 21
local before_it, _, after_it = assert(numeric.levels(history, 1, index, #history))
print(string.format("from %.1f to %.1f", before_it, after_it)) --> from 50.2 to 45.2
local by_chance = assert(numeric.permuted_energy(history, { 1, #history + 1 }, statistic,
                                                 { permutations = 100, allowed = 5 }))
assert(by_chance <= 5, "a real change")
local ends = assert(numeric.potts(history, { 1, 3, 9 }, 20, 2))
print("steps end at", table.concat(ends, " ")) --> 20 40

-- Drift: the median slope between all pairs, per run, and its 10th and 90th percentile.
local slopes = assert(numeric.theil_sen(history, nil, { 0.1, 0.5, 0.9 }))
print(string.format("slope %.2f a run", slopes[2])) --> slope -0.

-- How far neighbours resemble each other (of ranks), so that a trend test is not too sure.
print("correction", (assert(numeric.correlated_pairs({ 1, 2, 3, 5, 4, 7, 6, 8 }, 0.5, 3))))

---@meta woolly.numeric
error("for editors only")

--- Statistics primitives that are too slow in Lua; woolly.stats has the same in Lua.
---@class woolly.numeric
local numeric = {}

--- Percentile-bootstrap interval of the median, bit for bit what stats.bootstrap_median gives:
---  1. The values are sorted ascending, so their order does not matter.
---  2. splitmix64 starts with state = seed. One draw of an index into n sorted values (from 0) is
---     floor((next() >> 11) * 2.0^-53 * n), evaluated from the left.
---  3. A resample draws n indexes. Its median is the middle value, (low + high) / 2 of the two
---     middle ones when n is even.
---  4. With alpha = (1 - confidence) / 2, the bounds are the resampled medians at the ranks
---     ceil(alpha * resamples - 1e-9) and ceil((1 - alpha) * resamples - 1e-9), counted from 1,
---     at least 1.
--- Without values: nil, message, "input". A value that is not finite raises.
---@param values number[]
---@param options? {resamples?: integer, seed?: integer, confidence?: number}  10000, 1, 0.95
---@return number? low, number|string high, string? code   nil, message, code when there is none
function numeric.bootstrap_median(values, options) end

--- The same for the ratio median(a) / median(b): each resample draws the indexes of a, then those
--- of b, from one splitmix64. Every value of b must be above 0, else nil, message, "input".
---@param a number[]
---@param b number[]
---@param options? {resamples?: integer, seed?: integer, confidence?: number}
---@return number? low, number|string high, string? code
function numeric.bootstrap_ratio(a, b, options) end

--- The same for a percentile (0..100) instead of the median: of each resample the value at rank
--- ceil(percentile / 100 * n - 1e-9), counted from 1, at least 1 (nearest rank).
---@param values number[]
---@param percentile number
---@param options? {resamples?: integer, seed?: integer, confidence?: number}
---@return number? low, number|string high, string? code
function numeric.bootstrap_percentile(values, percentile, options) end

--- The median, without sorting all of them. NaN raises.
---@param values number[]   one or more
---@return number? median, string? message, string? code
function numeric.median(values) end

--- A copy in ascending order. NaN raises.
---@param values number[]
---@return number[]? sorted, string? message, string? code
function numeric.sort(values) end

--- The statistics of resamples of values, ascending: each draws as many values as there are, by
--- the indexes of step 2 above, from the values in the order given.
---@param values number[]   one or more
---@param options? {resamples?: integer, seed?: integer, percentile?: number}  10000, 1, 50 (the median); below 0: the mean
---@return number[]? results, string? message, string? code
function numeric.resample(values, options) end

--- Where the energy statistic of values[first..tau-1] and values[tau..kappa] is largest over all tau
--- and kappa up to last.
---@param values number[]
---@param first integer
---@param last integer
---@return integer? index, number|string statistic, string? code
function numeric.split(values, first, last) end

--- The levels on both sides of a split, values[first..at-1] and values[at..last]: the mean and the
--- sum of squared distances from it of each, and the sum of products of neighbouring distances.
---@param values number[]
---@param first integer
---@param at integer      a value or more on both sides
---@param last integer
---@return number? left, number|string square_left, number|string right, number square_right, number neighbours
function numeric.levels(values, first, at, last) end

--- How many of so many permutations within the windows have a split of at least the statistic
--- `best`; it stops counting above `allowed`.
---@param values number[]
---@param bounds integer[]   first value of each window, then the number of values + 1
---@param best number
---@param options {permutations?: integer, allowed?: integer, seed?: integer}   100, 5, 1
---@return integer? count, string? message, string? code
function numeric.permuted_energy(values, bounds, best, options) end

--- Right ends of the segments of the step function nearest to the values, for the price per step
--- that has the best criterion; see woolly/stats/potts.lua.
---@param values number[]
---@param prices number[]
---@param most integer       longest segment before segments are joined
---@param beta number        the criterion's price of a segment
---@return integer[]? ends, string? message, string? code
function numeric.potts(values, prices, most, beta) end

--- Slopes between all pairs of points at shares 0..1 of their order.
---@param y number[]
---@param x? number[]   1, 2, 3 … by default
---@param shares number[]
---@return number[]? slopes, integer|string count, string? code
function numeric.theil_sen(y, x, shares) end

--- Sum over the lags of (n-i)(n-i-1)(n-i-2) r_i, r_i the autocorrelation of ranks 1..n, for those
--- beyond +- bound: Hamed and Rao's correction.
---@param ranks number[]
---@param bound number
---@param lags integer
---@return number? sum, string? message, string? code
function numeric.correlated_pairs(ranks, bound, lags) end

return numeric

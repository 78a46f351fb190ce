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

return numeric

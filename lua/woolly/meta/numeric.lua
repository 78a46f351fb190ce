---@meta woolly.numeric
error("for editors only")

--- Statistics primitives that are too slow in Lua; woolly.stats has the same in Lua.
---@class woolly.numeric
local numeric = {}

--- Percentile-bootstrap interval of the median. Same numbers as stats.bootstrap_median: splitmix64
--- seeded with seed; resample r draws n indexes as (next() >> 11) * 2^-53 * n, floored; the two
--- bounds are nearest-rank percentiles of the resampled medians.
---@param values number[]
---@param options? {resamples?: integer, seed?: integer, confidence?: number}  10000, 1, 0.95
---@return number low, number high
function numeric.bootstrap_median(values, options) end

--- The same for the ratio median(a) / median(b), resampled independently (a first, then b).
---@param a number[]
---@param b number[]
---@param options? {resamples?: integer, seed?: integer, confidence?: number}
---@return number low, number high
function numeric.bootstrap_ratio(a, b, options) end

--- Nearest-rank percentile interval: bootstrap of the given percentile (0..100) of values.
---@param values number[]
---@param percentile number
---@param options? {resamples?: integer, seed?: integer, confidence?: number}
---@return number low, number high
function numeric.bootstrap_percentile(values, percentile, options) end

return numeric

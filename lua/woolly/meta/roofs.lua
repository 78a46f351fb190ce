---@meta woolly.roofs
error("for editors only")

--- What this machine can do at most, measured once and kept: metrics.md says how.
---@class woolly.roofs
---@field param woolly.Param   of a scenario that shows roofs: `params = { roofs = roofs.param }`
local roofs = {}

--- The roofs for a run with these numbers of threads: kept ones, measured when there are none (3 s each).
---@param p woolly.Values     its option roofs: kept, fresh or off
---@param counts integer[]    numbers of threads
---@return woolly.Roofs? found, string? reason   the reason why there are none
function roofs.load(p, counts) end

--- Gives a metric its roof, or the reason why it has none.
---@param m woolly.Recorder
---@param metric string
---@param found? woolly.Roofs   from load
---@param reason? string        likewise
---@param unit woolly.Work      what one unit of the metric needs
---@param convert? fun(per_second: number): number   to the metric's unit
function roofs.attach(m, metric, found, reason, unit, convert) end

return roofs

---@meta woolly.clock
error("for editors only")

--- Times are integers in nanoseconds: differences stay exact.
---@class woolly.clock
local clock = {}

--- Monotonic time; only differences mean anything.
---@return integer ns
function clock.now_ns() end

--- CPU time of this process.
---@return integer ns
function clock.cpu_ns() end

--- Wall time since 1970: labels only.
---@return integer ns
function clock.wall_ns() end

--- RFC 3339, UTC, milliseconds. Without an argument: now.
---@param wall_ns? integer
---@return string
function clock.utc(wall_ns) end

--- Smallest step of the clock.
---@return integer ns
function clock.resolution_ns() end

--- Sleeps; Ctrl-C ends it early.
---@param ns integer
function clock.sleep_ns(ns) end

return clock

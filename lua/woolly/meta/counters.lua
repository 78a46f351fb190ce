---@meta woolly.counters
error("for editors only")

---@class woolly.counters
local counters = {}

--- Every field of struct process_counters (process_counters.h) by its name, and script_bytes: what
--- of live_bytes the Lua state holds. A value that cannot be read here is absent.
---@return table<string, integer>
function counters.read() end

--- Sets the peak resident size back to the present one.
---@return true? ok, string? message, string? code
function counters.reset_peak() end

--- Whether an event can be counted here; when not, why.
---@param event string   "cycles", "cache-misses"
---@return boolean available, string? reason
function counters.available(event) end

return counters

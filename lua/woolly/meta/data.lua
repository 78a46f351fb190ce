---@meta woolly.data
error("for editors only")

--- Evaluates untrusted Lua that is only data (a gate) in a state of its own: no libraries, an empty
--- environment, text only, a time and a memory limit.
---@class woolly.data
local data = {}

--- Returns what the chunk returned: nil, booleans, numbers, strings and tables of them (no cycles,
--- at most 64 levels and 10,000 entries). Messages carry the chunk's name and line.
---@param text string
---@param name string   shown in messages: "gates/phase1.lua"
---@param limits? {seconds?: number, memory_mb?: number}   5 s, 64 MiB
---@return any? value, string? message, string? code
function data.load(text, name, limits) end

return data

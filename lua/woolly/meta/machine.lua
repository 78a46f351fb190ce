---@meta woolly.machine
error("for editors only")

--- The machine that a run was measured on; runs of different machines are not compared.
---@class woolly.machine
local machine = {}

--- Every field of struct machine_info (machine.h) by its name; empty and unknown ones are absent.
---@return table<string, string|number>
function machine.info() end

return machine

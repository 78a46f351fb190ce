--- The faster functions that stats.accelerate was given, for the modules beside this one. Each has
--- the same steps in Lua and gives the same numbers.
local primitives = { current = {} }

local function checked(first, ...)
  if first == nil then error((...), 0) end -- stopped, or out of memory
  return first, ...
end

--- Calls the faster function of that name, or the one in Lua where there is none.
---@param name string
---@param in_lua function
---@return any ...
function primitives.call(name, in_lua, ...)
  local faster = primitives.current[name]
  if faster then return checked(faster(...)) end
  return in_lua(...)
end

return primitives

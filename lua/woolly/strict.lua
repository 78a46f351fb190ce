--- The environment of a scenario file: everything readable, accidental globals refused.
local strict = {}

---@param name string   file, for messages
---@return table environment
function strict.environment(name)
  return setmetatable({}, {
    __index = function(_, key)
      local value = _G[key]
      if value == nil and key ~= "arg" then
        error(string.format("%s: variable '%s' is not declared", name, tostring(key)), 2)
      end
      return value
    end,
    __newindex = function(_, key)
      error(string.format("%s: global '%s' is assigned; write `local %s`", name, tostring(key),
                          tostring(key)), 2)
    end,
  })
end

return strict

--- Errors that carry a code, hence an exit status. Raised by woolly.fail, caught by the cli. Pure.
local failure = {}

---@class woolly.Failure
---@field message string
---@field code string
local Failure = {}
Failure.__index = Failure
Failure.__tostring = function(f) return f.message end

local STATUS <const> = { input = 3, environment = 4, bug = 5, unavailable = 2, cancelled = 130 }

---@param message string
---@param code? string   default "input"
function failure.raise(message, code)
  error(setmetatable({ message = message, code = code or "input" }, Failure), 0)
end

--- Passes results on, raises nil, message, code.
function failure.must(value, message, code, ...)
  if value == nil or value == false then
    failure.raise(tostring(message or "failed"), code or "bug")
  end
  return value, message, code, ...
end

---@param value any
---@return boolean
function failure.is(value)
  return getmetatable(value) == Failure
end

---@param code string
---@return integer
function failure.status(code)
  return STATUS[code] or 5
end

return failure

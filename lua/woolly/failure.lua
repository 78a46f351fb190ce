--- Errors that carry a code, hence an exit status. Raised by woolly.fail, caught by the cli. Pure.
local failure = {}

---@class woolly.Failure
---@field message string
---@field code string
local Failure = {}
Failure.__index = Failure
Failure.__tostring = function(f) return f.message end

local STATUS <const> = { check = 1, unavailable = 2, input = 3, environment = 4, bug = 5,
                         cancelled = 130 }

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

--- One line for people, and the exit status, of any error value. Errors in our own modules are
--- bugs of ours; those of scripts are bad input.
---@param value any
---@return string message, integer status
function failure.describe(value)
  local ok, message = pcall(tostring, value)
  if not ok then message = "(an error of type " .. type(value) .. ")" end
  message = message:gsub("[\r\n]+%s*", " "):gsub("[%c\127]", "?")
  if failure.is(value) then return message, failure.status(value.code) end
  if message:match("^woolly[/.]") then
    return message .. " (a bug of woolly-lua; WOOLLY_TRACE=1 shows where)", 5
  end
  return message, 3
end

return failure

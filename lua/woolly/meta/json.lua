---@meta woolly.json
error("for editors only")

--- Strict JSON. Objects become tables, arrays become sequences with metatable `json.array_mt` (so
--- that an empty one stays an array), null becomes `json.null`. Integers come as integers.
---@class woolly.json
---@field null lightuserdata
---@field array_mt table
local json = {}

--- Refuses what RFC 8259 does not allow, naming the byte.
---@param text string
---@param name? string   for messages, default "JSON"
---@return any? value, string? message, string? code
function json.decode(text, name) end

--- Tables with 1..n keys or `json.array` are arrays; else keys must be strings and are written
--- sorted, so equal values give equal text. NaN and infinities raise. indent: two spaces a level.
---@param value any
---@param options? {indent?: boolean}
---@return string
function json.encode(value, options) end

--- Marks a table as an array.
---@generic T: table
---@param t? T
---@return T
function json.array(t) end

return json

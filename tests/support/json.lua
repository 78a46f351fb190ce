--- A small JSON reader for tests that run without the program. Null becomes json.null; an array's
--- length is kept in field n of its metatable, so that [] and {} differ.
local json = { null = setmetatable({}, { __tostring = function() return "null" end }) }

local escapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
                  ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local words = { ["true"] = true, ["false"] = false, null = json.null }
local read_value

local function fail(text, at, what)
  error(string.format("JSON at byte %d: %s near %q", at, what, text:sub(at, at + 20)), 0)
end

local function blank(text, at) return text:find("[^ \t\r\n]", at) or #text + 1 end

local function read_string(text, at)
  local parts, i = {}, at + 1
  while true do
    local stop = text:find('["\\]', i) or fail(text, at, "string without an end")
    parts[#parts + 1] = text:sub(i, stop - 1)
    if text:sub(stop, stop) == '"' then return table.concat(parts), stop + 1 end
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      local code = tonumber(text:sub(stop + 2, stop + 5), 16) or fail(text, stop, "bad escape")
      i = stop + 6
      if code >= 0xD800 and code < 0xDC00 then
        local low = tonumber(text:match("^\\u(%x%x%x%x)", i) or fail(text, stop, "lone half"), 16)
        code, i = 0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00), i + 6
      end
      parts[#parts + 1] = utf8.char(code)
    else
      parts[#parts + 1] = escapes[letter] or fail(text, stop, "bad escape")
      i = stop + 2
    end
  end
end

local function read_array(text, at)
  local array, n = {}, 0
  at = blank(text, at + 1)
  if text:sub(at, at) ~= "]" then
    repeat
      n = n + 1
      array[n], at = read_value(text, at)
      at = blank(text, at)
      local mark = text:sub(at, at)
      if mark ~= "," and mark ~= "]" then fail(text, at, "comma or ] expected") end
      at = mark == "," and blank(text, at + 1) or at
    until mark == "]"
  end
  return setmetatable(array, { n = n }), at + 1
end

local function read_object(text, at)
  local object = {}
  at = blank(text, at + 1)
  if text:sub(at, at) ~= "}" then
    repeat
      if text:sub(at, at) ~= '"' then fail(text, at, "key expected") end
      local key
      key, at = read_string(text, at)
      at = blank(text, at)
      if text:sub(at, at) ~= ":" then fail(text, at, "colon expected") end
      object[key], at = read_value(text, blank(text, at + 1))
      at = blank(text, at)
      local mark = text:sub(at, at)
      if mark ~= "," and mark ~= "}" then fail(text, at, "comma or } expected") end
      at = mark == "," and blank(text, at + 1) or at
    until mark == "}"
  end
  return object, at + 1
end

function read_value(text, at)
  local mark = text:sub(at, at)
  if mark == "{" then return read_object(text, at) end
  if mark == "[" then return read_array(text, at) end
  if mark == '"' then return read_string(text, at) end
  local number = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at)
  if number then return tonumber(number) or fail(text, at, "bad number"), at + #number end
  local word = text:match("^%a+", at)
  if words[word] == nil then fail(text, at, "value expected") end
  return words[word], at + #word
end

--- The value of a whole JSON text; raises when it is not one.
function json.decode(text)
  local value, at = read_value(text, blank(text, 1))
  at = blank(text, at)
  if at <= #text then fail(text, at, "text behind the value") end
  return value
end

--- Whether a decoded table came from an array.
function json.is_array(value)
  return type(value) == "table" and (getmetatable(value) or {}).n ~= nil
end

return json

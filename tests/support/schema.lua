--- Checks a decoded JSON value against the part of JSON Schema that docs/report-schema.json uses.
local json = require "json"

local schema = {}
local check

local function type_of(value)
  if value == json.null then return "null" end
  if type(value) == "table" then return json.is_array(value) and "array" or "object" end
  if type(value) == "number" then
    return math.type(value) == "integer" and "integer" or "number"
  end
  return type(value)
end

local function has_type(value, wanted)
  local found = type_of(value)
  if type(wanted) == "table" then
    for _, one in ipairs(wanted) do if has_type(value, one) then return true end end
    return false
  end
  return found == wanted or (found == "integer" and wanted == "number")
end

local known = { type = 1, const = 1, enum = 1, required = 1, properties = 1, items = 1,
                additionalProperties = 1, description = 1, minimum = 1, maximum = 1, title = 1,
                ["$schema"] = 1, ["$ref"] = 1, ["$defs"] = 1, minItems = 1,
                ["$id"] = 1 }

function check(value, rule, path, root, wrong)
  local function add(text) wrong[#wrong + 1] = path .. ": " .. text end
  if rule["$ref"] then rule = root["$defs"][rule["$ref"]:match("^#/%$defs/(.+)$")] end
  for word in pairs(rule) do
    if not known[word] then add("the checker does not know the keyword " .. word) end
  end
  if rule.type and not has_type(value, rule.type) then
    return add("found " .. type_of(value))
  end
  if rule.const ~= nil and value ~= rule.const then add("found " .. tostring(value)) end
  if rule.enum then
    local found = false
    for _, one in ipairs(rule.enum) do found = found or one == value end
    if not found then add("not in the list: " .. tostring(value)) end
  end
  if type(value) == "number" then
    if rule.minimum and value < rule.minimum then add("too small: " .. value) end
    if rule.maximum and value > rule.maximum then add("too large: " .. value) end
  end
  if type_of(value) == "array" then
    if rule.minItems and #value < rule.minItems then add("too few entries: " .. #value) end
    for i, entry in ipairs(value) do
      if rule.items then check(entry, rule.items, path .. "[" .. i .. "]", root, wrong) end
    end
  elseif type_of(value) == "object" then
    for _, key in ipairs(rule.required or {}) do
      if value[key] == nil then add("key missing: " .. key) end
    end
    for key, entry in pairs(value) do
      local inner = (rule.properties or {})[key]
      local other = rule.additionalProperties
      if inner then
        check(entry, inner, path .. "." .. key, root, wrong)
      elseif other == false then
        add("key not in the schema: " .. key)
      elseif type(other) == "table" then
        check(entry, other, path .. "." .. key, root, wrong)
      end
    end
  end
end

--- What is wrong with value, one line each; empty when it holds.
---@return string[]
function schema.check(value, rule)
  local wrong = {}
  check(value, rule, "$", rule, wrong)
  return wrong
end

return schema

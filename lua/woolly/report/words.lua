--- What the reports share: texts made harmless, limits by metric. Pure.
local words = {}

words.BOUNDS = { min = ">=", max = "<=", equals = "=" }

-- Marks that turn the direction of what follows, and lines ends that only some programs know.
local HIDDEN <const> = { ["\u{200e}"] = "", ["\u{200f}"] = "", ["\u{2028}"] = " ",
                         ["\u{2029}"] = " " }
for code = 0x202a, 0x202e do HIDDEN[utf8.char(code)] = "" end
for code = 0x2066, 0x2069 do HIDDEN[utf8.char(code)] = "" end

-- Bytes that are no UTF-8 become "?", one each.
local function valid(text)
  local out, at = {}, 1
  while at <= #text do
    local n, bad = utf8.len(text, at)
    if n then
      out[#out + 1] = text:sub(at)
      break
    end
    out[#out + 1] = text:sub(at, bad - 1) .. "?"
    at = bad + 1
  end
  return table.concat(out)
end

--- One line without control characters of either set, for terminals and for every format below.
---@param text any
---@return string
function words.clean(text)
  text = tostring(text)
  if not text:find("[%c\127-\255]") then return text end
  text = valid(text):gsub("[%c\127]", "?"):gsub("\194[\128-\159]", "?")
  return (text:gsub("\226[\128\129][\128-\191]", HIDDEN):gsub("\239\187\191", ""))
end

--- The limits of a document's gate, by metric.
---@param document table
---@return table<string, table[]>
function words.limits(document)
  local by = {}
  for _, limit in ipairs(document.gate and document.gate.limits or {}) do
    by[limit.metric] = by[limit.metric] or {}
    table.insert(by[limit.metric], limit)
  end
  return by
end

--- ">= 10 (p95)"
---@param limit table
---@param number fun(value: any): string
---@return string
function words.limit(limit, number)
  local value = type(limit.limit) == "number" and number(limit.limit) or tostring(limit.limit)
  local stat = limit.stat and limit.stat ~= "median" and " (" .. limit.stat .. ")" or ""
  return (words.BOUNDS[limit.bound] or tostring(limit.bound)) .. " " .. value .. stat
end

--- "inference_speed p1, llama on machine 3f9c2a"
---@param document table
---@return string
function words.subject(document)
  local run, model = document.run, document.model
  local parts = { words.clean(run.scenario) }
  if run.preset then parts[1] = parts[1] .. " " .. words.clean(run.preset) end
  if model and model.name then parts[#parts + 1] = words.clean(model.name) end
  parts[#parts + 1] = "machine " .. words.clean(document.machine.fingerprint or "?"):sub(1, 6)
  return table.concat(parts, ", ")
end

return words

--- Writes docs/reference.md from what meta_files read.
local reference = {}

local HEAD <const> = [[
# Reference

Every public Lua function: what it takes, what it gives, in which unit. Written by
`lua5.4 .ci/reference.lua` from the files in `lua/woolly/meta/`, which editors read as well; a test
compares them. [scenario-api.md](scenario-api.md) says how scenarios and gates are written;
the files in `docs/examples/` are run by the tests, and every function below is called in one.

- A name with `?` may be left out. An unknown option is an error with the nearest name.
- What a script does wrong (a type, a range, a closed handle) raises. Where "or `nil, message, code`"
  stands, the world may refuse: `woolly.must(f())` or `assert(f())` ends the script with that
  message; `code` is one of the table.
- Units: a name's ending is its unit. `_ns` nanoseconds, `_ms` milliseconds, `_s` seconds, `_bytes`
  bytes, `_mb` 10^6 bytes, `_per_second` per second, `_ratio` and `share` 0 to 1. Token ids are
  integers from 0.
- `close()` may be called twice, and `local x <close> = ...` calls it at the end of the block.

| code | the refusal is about | exit status of `woolly.must` |
| --- | --- | --- |
| `input` | a file, a model, a command line, a script | 3 |
| `environment` | disk, permission, memory, network | 4 |
| `unavailable` | what this machine or build cannot do: a metric is missing for that reason | 2 |
| `cancelled` | Ctrl-C, SIGTERM or a deadline | 130 |
| `bug` | woolly-lua itself | 5 |
]]

local UNITS <const> = {
  { "per_second$", "1/s" }, { "ns_per_value$", "ns" }, { "_ns$", "ns" }, { "^ns$", "ns" },
  { "_ms$", "ms" }, { "_s$", "s" }, { "^seconds$", "s" }, { "bytes$", "bytes" },
  { "_mb$", "10^6 bytes" }, { "^hz$", "1/s" }, { "_ratio$", "0 to 1" }, { "^share$", "0 to 1" },
}

local function unit_of(name, kind)
  if not (kind:find "^integer" or kind:find "^number") then return nil end
  for _, pair in ipairs(UNITS) do
    if name:find(pair[1]) then return pair[2] end
  end
end

--- "woolly.engine.Model" is Model in a page that has its heading.
local function short(kind)
  return (kind:gsub("woolly%.[%l_]+%.(%u)", "%1"):gsub("woolly%.(%u)", "%1"))
end

local function cell(text) return (text:gsub("|", "\\|")) end

--- "`integer` [ns], default 5"
local function typed(value)
  local unit = unit_of(value.name, value.type)
  return "`" .. short(value.type) .. "`" .. (unit and " [" .. unit .. "]" or "")
end

local function with_text(text, prefix) return text ~= "" and prefix .. text or "" end

--- What comes back, in words: the values, and the refusal where there is one.
local function returns_line(f)
  local list = f.returns
  if #list == 0 then return nil end
  local refuses = list[#list].name == "code"
  local parts = {}
  for i, value in ipairs(list) do
    local is_refusal = refuses and (value.name == "message" or value.name == "code")
    if not is_refusal then
      -- "number|string high": the message comes in the place of a second value.
      local kind = refuses and i > 1 and value.type:gsub("|string$", "") or value.type
      local named = { name = value.name ~= "" and value.name or f.name, type = kind }
      local nothing = value.optional and not refuses and " or `nil`" or ""
      parts[#parts + 1] = (value.name ~= "" and "`" .. value.name .. "` " or "") .. typed(named)
                          .. nothing
    end
  end
  return "- returns " .. table.concat(parts, ", ")
         .. (refuses and ", or `nil, message, code`" or "") .. with_text(f.returns_text, ". ")
end

local function add_function(lines, f)
  local arguments, optional = {}, {}
  for _, value in ipairs(f.params) do optional[value.name] = value.optional end
  for i, name in ipairs(f.arguments) do arguments[i] = name .. (optional[name] and "?" or "") end
  lines[#lines + 1] = string.format("\n### %s(%s)\n\n%s%s", f.name,
                                    table.concat(arguments, ", "), f.text,
                                    (f.params[1] or f.returns[1]) and "\n" or "")
  for _, value in ipairs(f.params) do
    lines[#lines + 1] = string.format("- `%s` %s%s", value.name, typed(value),
                                      with_text(value.text, ": "))
  end
  lines[#lines + 1] = returns_line(f)
end

local function add_fields(lines, fields)
  lines[#lines + 1] = "| field | type | |\n| --- | --- | --- |"
  for _, field in ipairs(fields) do
    lines[#lines + 1] = string.format("| `%s%s` | %s | %s |", field.name,
                                      field.optional and "?" or "", cell(typed(field)),
                                      cell(field.text))
  end
end

local function add_module(lines, module, examples)
  lines[#lines + 1] = "\n## " .. module.name .. "\n"
  if module.text ~= "" then lines[#lines + 1] = module.text .. "\n" end
  local links = {}
  for _, file in ipairs(examples) do
    if file:match "^(%l+)[%w_]*%.lua$" == module.name:match "%l+$" then
      links[#links + 1] = string.format("[%s](examples/%s)", file, file)
    end
  end
  lines[#lines + 1] = "Example: " .. table.concat(links, ", ") .. "."
  if module.fields[1] then
    lines[#lines + 1] = ""
    add_fields(lines, module.fields)
  end
  for _, f in ipairs(module.functions) do add_function(lines, f) end
  for _, class in ipairs(module.classes) do
    if class.fields[1] then
      lines[#lines + 1] = "\n#### " .. short(class.name) .. "\n"
      if class.text ~= "" then lines[#lines + 1] = class.text .. "\n" end
      if class.parent then
        lines[#lines + 1] = "And the fields of `" .. short(class.parent) .. "`.\n"
      end
      add_fields(lines, class.fields)
    end
  end
  for _, alias in ipairs(module.aliases) do
    lines[#lines + 1] = string.format("\n#### %s\n\n`%s`. %s", short(alias.name),
                                      short(alias.type), alias.text)
  end
end

--- The whole page.
---@param modules meta_files.Module[]
---@param examples string[]   file names under docs/examples: MODULE.lua, MODULE_*.lua
---@return string
function reference.render(modules, examples)
  local lines, index = { HEAD }, {}
  for i, module in ipairs(modules) do
    index[i] = string.format("[%s](#%s)", module.name, (module.name:gsub("%.", "")))
  end
  lines[#lines + 1] = "Modules: " .. table.concat(index, ", ") .. "."
  for _, module in ipairs(modules) do add_module(lines, module, examples) end
  return table.concat(lines, "\n") .. "\n"
end

return reference

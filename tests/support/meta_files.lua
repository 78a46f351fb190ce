--- Reads lua/woolly/meta/*.lua: what editors know of the public functions, as tables.
local meta_files = {}

---@class meta_files.Value
---@field name string
---@field type string
---@field optional boolean
---@field text string

---@class meta_files.Function
---@field name string         "engine.load", "Model:info"
---@field owner string        "engine", "Model"
---@field text string
---@field params meta_files.Value[]
---@field arguments string[]  as declared
---@field returns meta_files.Value[]
---@field returns_text string

---@class meta_files.Class
---@field name string
---@field parent? string
---@field text string
---@field fields meta_files.Value[]

---@class meta_files.Module
---@field name string         "woolly.engine"
---@field text string
---@field functions meta_files.Function[]
---@field classes meta_files.Class[]    in the order of the file, the module's own left out
---@field aliases meta_files.Value[]

--- Takes a type from the front of a text: it ends at the first space outside of brackets that does
--- not follow ":", "," or "|".
local function take_type(text)
  local depth, i = 0, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c:find "[({%[<]" then depth = depth + 1 end
    if c:find "[)}%]>]" then depth = depth - 1 end
    if depth == 0 and c == "," then break end
    if depth == 0 and c == " " and not text:sub(1, i - 1):find "[:|]$" then break end
    i = i + 1
  end
  return text:sub(1, i - 1), text:sub(i)
end

local function value_of(text)
  local name, mark, rest = text:match "^([%w_.]+)(%??)%s+(.*)$"
  if not name then error("no name and type: " .. text) end
  local kind, about = take_type(rest)
  return { name = name, type = kind, optional = mark == "?", text = about:match "^%s*(.-)%s*$" }
end

--- "integer[]? ids, string? message   text behind": the values and the text.
local function returns_of(text)
  local list = {}
  repeat
    local kind, rest = take_type(text)
    local name, behind = rest:match "^ ([%w_.]+)(.*)$"
    if not name then name, behind = "", rest end
    list[#list + 1] = { name = name, type = (kind:gsub("%?$", "")),
                        optional = kind:sub(-1) == "?", text = "" }
    local more = behind:match "^,%s*(.*)$"
    text = more or behind
  until not more
  return list, text:match "^%s*(.-)%s*$"
end

local function fresh() return { text = {}, params = {}, returns = {}, fields = {}, about = {} } end

local TAGS <const> = {
  param = function(block, rest)
    block.last = value_of(rest)
    table.insert(block.params, block.last)
  end,
  field = function(block, rest)
    block.last = value_of(rest)
    table.insert(block.fields, block.last)
  end,
  ["return"] = function(block, rest)
    local list, about = returns_of(rest)
    table.move(list, 1, #list, #block.returns + 1, block.returns)
    block.last = { text = about }
    table.insert(block.about, block.last)
  end,
  class = function(block, rest)
    block.class, block.parent = rest:match "^([%w_.]+)%s*:?%s*([%w_.]*)"
  end,
  alias = function(block, rest)
    local name, kind = rest:match "^(%S+)%s+(.*)$"
    block.alias = { name = name, type = kind, optional = false }
  end,
  generic = function() end,
  meta = function() end,
}

local function close_block(module, block)
  local text = table.concat(block.text, "\n")
  if block.alias then
    block.alias.text = text
    table.insert(module.aliases, block.alias)
  elseif block.class == module.name then
    module.text, module.fields = text, block.fields
  elseif block.class then
    table.insert(module.classes, { name = block.class, text = text, fields = block.fields,
                                   parent = block.parent ~= "" and block.parent or nil })
  end
end

local function close_function(module, block, name, arguments)
  local about, list = {}, {}
  for _, part in ipairs(block.about) do
    if part.text ~= "" then about[#about + 1] = part.text end
  end
  for argument in arguments:gmatch "[%w_.]+" do list[#list + 1] = argument end
  table.insert(module.functions,
               { name = name, owner = name:match "^[%w_]+", text = table.concat(block.text, "\n"),
                 params = block.params, arguments = list, returns = block.returns,
                 returns_text = table.concat(about, " ") })
end

--- One file's text as a module.
---@param text string
---@return meta_files.Module
function meta_files.parse(text)
  local module = { name = text:match "^%-%-%-@meta (%S+)", text = "", functions = {}, classes = {},
                   aliases = {}, fields = {} }
  local block = fresh()
  for line in text:gmatch "([^\n]*)\n" do
    local tag, rest = line:match "^%-%-%-@(%l+)%s*(.*)$"
    local said = line:match "^%-%-%-(.*)$"
    local name, arguments = line:match "^function ([%w_]+[.:][%w_]+)%((.-)%)"
    if tag then
      assert(TAGS[tag], "unknown tag: " .. line)(block, rest)
    elseif said and block.last then
      block.last.text = block.last.text .. " " .. said:match "^%s*(.-)%s*$"
    elseif said then
      table.insert(block.text, (said:gsub("^ ", "")))
    elseif name then
      close_function(module, block, name, arguments)
      block = fresh()
    else
      close_block(module, block)
      block = fresh()
    end
  end
  return module
end

--- Names of the files in a folder, sorted whatever the locale.
---@param folder string
---@return string[]
function meta_files.names(folder)
  local pipe, names = assert(io.popen("ls '" .. folder .. "'")), {}
  for name in pipe:lines() do names[#names + 1] = name end
  pipe:close()
  table.sort(names)
  return names
end

--- All modules by name.
---@param source string   the source folder
---@return meta_files.Module[]
function meta_files.all(source)
  local folder, modules = source .. "/lua/woolly/meta/", {}
  for _, name in ipairs(meta_files.names(folder)) do
    local file = assert(io.open(folder .. name, "rb"))
    modules[#modules + 1] = meta_files.parse(file:read "a")
    file:close()
  end
  table.sort(modules, function(a, b) return a.name < b.name end)
  return modules
end

return meta_files

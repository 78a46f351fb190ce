--- Contract: the list of models and one of it.
local models = {}

local FIELDS <const> = {
  id = "string", name = "string", object = "string", description = "string", path = "string",
  loaded = "boolean", size_bytes = "number", parameters = "number", architecture = "string",
  quantization = "string", context_length = "number", capabilities = "table",
  capabilities_map = "table",
}
local ABLE <const> = { "chat", "completion", "mcp", "vision", "function_calling" }

local function form(t, name, info)
  local lacks = {}
  for key, kind in pairs(FIELDS) do
    if type(info[key]) ~= kind then lacks[#lacks + 1] = key end
  end
  table.sort(lacks)
  t:check(name .. ": fields of a model", #lacks == 0, "without %s", table.concat(lacks, ", "))
  t:equal(name .. ": a model's object", info.object, "model")
  local map, off = info.capabilities_map or {}, {}
  for _, key in ipairs(ABLE) do
    if type(map[key]) ~= "boolean" then off[#off + 1] = key end
  end
  t:check(name .. ": capabilities_map", #off == 0, "without %s", table.concat(off, ", "))
  local listed = {}
  for _, key in ipairs(type(info.capabilities) == "table" and info.capabilities or {}) do
    listed[key] = true
  end
  local differs
  for _, key in ipairs(ABLE) do
    if (map[key] == true) ~= (listed[key] == true) then differs = key end
  end
  t:check(name .. ": capabilities in both forms agree", not differs, "they differ in %s",
          tostring(differs))
  t:check(name .. ": path is a file's name only", not tostring(info.path):find "[/\\]",
          "found %s", tostring(info.path))
end

function models.run(t)
  local list = t:get "/api/v1/models"
  t:equal("list: status", list.status, 200)
  t:equal("list: success", list.json.success, true)
  t:equal("list: object", list.json.object, "list")
  local data = type(list.json.data) == "table" and list.json.data or {}
  t:check("list: at least one model", #data > 0, "it is empty")
  local mine
  for _, info in ipairs(data) do
    if info.id == t.model then mine = info end
  end
  t:check("list: the model is in it and loaded", mine and mine.loaded, "found %s", t.model)
  form(t, "list", mine or {})
  local one = t:get("/api/v1/models/" .. t.model)
  t:equal("one: status", one.status, 200)
  form(t, "one", one.json)
  t:refusal("unknown model", t:get "/api/v1/models/no-such-model", 404)

  local openai = t:get "/v1/models"
  t:equal("OpenAI's list: status", openai.status, 200)
  t:equal("OpenAI's list: object", openai.json.object, "list")
  local first = type(openai.json.data) == "table" and openai.json.data[1] or {}
  t:check("OpenAI's list: id, object, created, owned_by", type(first.id) == "string"
    and first.object == "model" and math.type(first.created) == "integer"
    and type(first.owned_by) == "string", "found %s", tostring(openai.body))
end

return models

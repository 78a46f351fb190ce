--- Contract: the Model Context Protocol, as plain routes and as JSON-RPC.
local mcp = {}

local function call(t, method, params, id)
  return t:post("/api/v1/mcp", { jsonrpc = "2.0", id = id or 1, method = method, params = params })
end

local function result(answer)
  return type(answer.json.result) == "table" and answer.json.result or {}
end

function mcp.run(t)
  local tools = t:get "/api/v1/mcp/tools"
  t:equal("tools: status", tools.status, 200)
  local list = type(tools.json.tools) == "table" and tools.json.tools or {}
  local first = list[1] or {}
  t:check("tools: name, description, inputSchema", type(first.name) == "string"
    and type(first.description) == "string" and type(first.inputSchema) == "table", "found %s",
    tostring(tools.body):sub(1, 100))
  local begun = call(t, "initialize", { protocolVersion = "2025-03-26", capabilities = {},
                                        clientInfo = { name = "contract", version = "1" } })
  t:equal("initialize: status", begun.status, 200)
  t:is_type("initialize: protocolVersion", result(begun).protocolVersion, "string")
  t:is_type("initialize: serverInfo", result(begun).serverInfo, "table")
  t:equal("JSON-RPC: the id comes back", begun.json.id, 1)
  local listed = call(t, "tools/list", nil, "two")
  t:equal("tools/list: as many tools", #(type(result(listed).tools) == "table"
          and result(listed).tools or {}), #list)
  t:equal("tools/list: a text as id comes back", listed.json.id, "two")
  local done = call(t, "tools/call", { name = "list_scenarios", arguments = {} })
  t:check("tools/call: content", type(result(done).content) == "table"
    and #result(done).content > 0 and not result(done).isError, "found %s",
    tostring(done.body):sub(1, 120))
  local unknown = call(t, "no/such")
  t:equal("unknown method: code", (unknown.json.error or {}).code, -32601)
  local bad = call(t, "tools/call", { name = "no_such_tool" })
  t:check("unknown tool: an error", bad.json.error or result(bad).isError, "found %s",
          tostring(bad.body))
  local plain = t:post("/api/v1/mcp/tools/list_scenarios", { arguments = {} })
  t:equal("a tool by its own route: status", plain.status, 200)
  t:refusal("an unknown tool by its route", t:post("/api/v1/mcp/tools/nothing", {}), 404)
  local session = t:post("/api/v1/mcp/sessions", {})
  local id = session.json.session_id
  t:check("an MCP session: made", (session.status == 201 or session.status == 200)
    and type(id) == "string", "status %d", session.status)
  t:equal("an MCP session: deleted", t:raw("DELETE", "/api/v1/mcp/sessions/" .. tostring(id),
          t:headers()).status, 200)
end

return mcp

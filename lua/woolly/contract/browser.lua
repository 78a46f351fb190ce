--- Contract: pages in a browser: preflight, CORS, and that other pages and hosts stay outside.
local browser = {}

local PATH <const> = "/api/v1/inference/chat"
local OLE <const> = "http://localhost:1420" -- where Ole's pages come from
local EVIL <const> = "http://evil.example"
local BODY <const> = '{"messages":[{"role":"user","content":"Hi"}],"max_tokens":2}'

local function allowed(answer)
  return answer.headers["access-control-allow-origin"]
end

local function lists(value, word)
  return ("," .. (value or ""):lower():gsub("%s", "") .. ","):find("," .. word .. ",", 1, true)
end

local function preflight(t, path)
  return t:raw("OPTIONS", path, {
    "Origin: " .. OLE, "Access-Control-Request-Method: POST",
    "Access-Control-Request-Headers: authorization,content-type,x-ole-client" })
end

local function from(t, origin, more)
  local headers = t:headers(more)
  headers[#headers + 1] = "Origin: " .. origin
  return t:raw("POST", PATH, headers, BODY)
end

local function keys(t)
  if not t.service.key then return end
  local function with(headers)
    table.insert(headers, 1, "Content-Type: application/json")
    return t:raw("POST", PATH, headers, BODY)
  end
  t:refusal("no key", with {}, 401)
  t:refusal("a wrong key", with { "Authorization: Bearer wrong" }, 401)
  t:refusal("a key with more behind it",
            with { "Authorization: Bearer " .. t.service.key .. "x" }, 401)
  t:refusal("the beginning of the key",
            with { "Authorization: Bearer " .. t.service.key:sub(1, -2) }, 401)
  t:equal("X-API-Key is taken: status", with { "X-API-Key: " .. t.service.key }.status, 200)
  t:equal("health asks for no key", t:raw("GET", "/api/v1/health", {}).status, 200)
end

function browser.run(t)
  for _, path in ipairs { PATH, "/v1/chat/completions", "/api/v1/models" } do
    local answer = preflight(t, path)
    t:check("preflight of " .. path .. ": status 200 or 204", answer.status == 204
      or answer.status == 200, "status %d", answer.status)
    t:equal("preflight of " .. path .. ": the origin is allowed", allowed(answer), OLE)
    t:check("preflight of " .. path .. ": POST is allowed",
            lists(answer.headers["access-control-allow-methods"], "post"), "found %s",
            tostring(answer.headers["access-control-allow-methods"]))
    local names = answer.headers["access-control-allow-headers"]
    t:check("preflight of " .. path .. ": x-ole-client, content-type and authorization are allowed",
            lists(names, "x-ole-client") and lists(names, "content-type")
            and lists(names, "authorization"), "found %s", tostring(names))
  end
  local mine = from(t, OLE)
  t:equal("a request from Ole's page: status", mine.status, 200)
  t:equal("a request from Ole's page: the origin is allowed", allowed(mine), OLE)
  t:check("a request from Ole's page: Vary names Origin", lists(mine.headers.vary, "origin"),
          "found %s", tostring(mine.headers.vary))
  local errors = t:raw("POST", PATH, t:headers { "Origin: " .. OLE }, "{}")
  t:equal("errors can be read by the page too", allowed(errors), OLE)
  local evil = from(t, EVIL)
  t:check("a page from elsewhere is refused", evil.status == 403, "status %d", evil.status)
  t:check("a page from elsewhere is not allowed to read", allowed(evil) == nil, "found %s",
          tostring(allowed(evil)))
  t:equal("a page without an origin (null) is refused: status", from(t, "null").status, 403)
  local other = t:raw("POST", PATH, t:headers { "Host: evil.example" }, BODY)
  t:check("another Host is refused (DNS rebinding)", other.status == 421 or other.status == 403,
          "status %d", other.status)
  t:check("the server does not say *", not (allowed(mine) or ""):find("*", 1, true), "it does")
  t:equal("nothing is to be kept by caches", t:get "/api/v1/models".headers["cache-control"],
          "no-store")
  t:equal("content types are not to be guessed",
          t:get "/api/v1/models".headers["x-content-type-options"], "nosniff")
  keys(t)
end

return browser

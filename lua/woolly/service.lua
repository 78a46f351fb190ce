--- The server that a scenario drives: one of ours in a process of its own, or the one at --url.
local failure = require "woolly.failure"
local json    = require "woolly.json"
local http    = require "woolly.http"
local process = require "woolly.process"

local service = {}

local START_S <const> = 300 -- a large model may have to be packed first
local LISTENING <const> = "(https?://[%w%.%-%[%]:]+:%d+)"

-- What to try where nothing that speaks HTTP answered, by how it ended.
local NEXT_STEP <const> = {
  connect = "Is it running, and is this its port?",
  connect_timeout = "Is it running, and does a firewall let us through?",
  tls = "The name in the URL must be one of its certificate's; --ca_file FILE trusts the authority "
    .. "of a certificate that is its own",
  first_timeout = "What listens there says nothing: is it busy, or does it want https?",
  truncated = "Does it speak HTTP there, or want https?",
  bad_http = "Does it speak HTTP there, or want https?",
  reset = "Does it speak HTTP there, or want https?",
}

---@class woolly.Service
---@field url string          without a slash at its end
---@field pid? integer        of the server's process, where it is known
---@field is_ours boolean     started here, hence ended here
---@field key? string         API key
---@field ca_file? string     certificates to trust instead of the system's
---@field model? string       name of its model, as it lists it
local Service = {}
Service.__index = Service
Service.__close = function(self) self:close() end

--- Options of serve.lua for p's model and engine settings.
local function words_for(p, extra)
  local words = { "/proc/self/exe", "serve.lua", "--port", "0", "--model", p.model, "--preset",
                  p.preset }
  for name, value in pairs(p.switches or {}) do
    if name ~= "kv_type" then
      failure.raise(string.format("--switches: %s: a server takes kv_type and --threads", name))
    end
    words[#words + 1] = "--kv_type=" .. tostring(value)
  end
  if p.threads then
    table.move({ "--threads", tostring(p.threads[1]) }, 1, 2, #words + 1, words)
  end
  return table.move(extra or {}, 1, #(extra or {}), #words + 1, words)
end

--- Waits for the line that says where it listens.
local function start(words)
  local child = failure.must(process.spawn(words))
  while true do
    local line, message, code = child:read_line(START_S)
    if not line then
      child:close()
      return failure.raise("server: " .. message, code)
    end
    local url = line:match(LISTENING)
    if url then return child, url end
  end
end

--- Starts serve.lua on p.model, or takes the server at p.url. Raises when there is none.
---@param p woolly.Values     url, pid, key; else model, preset, switches, threads
---@param extra? string[]     further options of serve.lua
---@return woolly.Service
function service.open(p, extra)
  local self = setmetatable({ is_ours = not p.url, ca_file = p.ca_file,
                              key = p.key or process.env "WOOLLY_API_KEY" }, Service)
  if p.url then
    self.url, self.pid = p.url:gsub("/+$", ""), p.pid
    if not self.url:match "^https?://[^/]+" then
      failure.raise(string.format("--url: found '%s', http://HOST:PORT is required", p.url))
    end
  else
    self.child, self.url = start(words_for(p, extra))
    self.pid = self.child:pid()
  end
  return self
end

--- A server that somebody else started, as a child of ours.
---@param child woolly.process.Child
---@param url string
---@return woolly.Service
function service.adopt(child, url)
  return setmetatable({ child = child, url = url, pid = child:pid(), is_ours = false }, Service)
end

---@return string[] headers
function Service:headers()
  local headers = { "Content-Type: application/json", "User-Agent: woolly-lua", "Expect:" }
  if self.key then headers[#headers + 1] = "Authorization: Bearer " .. self.key end
  return headers
end

--- Options of a request or a load with what holds for all of this server's.
---@generic T
---@param options? T
---@return T
function Service:limits(options)
  options = options or {}
  options.ca_file = options.ca_file or self.ca_file
  return options
end

--- One request; the body is a table (sent as JSON), text or nil.
---@param method string
---@param path string
---@param body? table|string
---@param options? woolly.http.RequestOptions
---@param headers? string[]      instead of the usual ones
---@return woolly.http.Answer
function Service:request(method, path, body, options, headers)
  local text = body
  if type(body) == "table" then text = json.encode(body) end
  return failure.must(http.request(method, self.url .. path, headers or self:headers(), text,
                                   self:limits(options)))
end

--- Raises when an answer did not come, with what to try next.
---@param path string
---@param answer woolly.http.Answer
function Service:must_answer(path, answer)
  local step = NEXT_STEP[answer.failure]
  if answer.ok or answer.status ~= 0 then return end
  failure.raise(string.format("server: %s%s: %s (%s)%s", self.url, path, answer.message,
                              answer.failure, step and ". " .. step or ""), "environment")
end

-- null as nil: to us a field that is null is not there.
local function without_null(value)
  if type(value) ~= "table" then return value end
  for key, inner in pairs(value) do
    if inner == json.null then value[key] = nil else without_null(inner) end
  end
  return value
end

--- JSON as a table, null left out; nil and why when it is none.
---@param text string
---@param name string
---@return any?, string? message
function service.read_json(text, name)
  local value, message = json.decode(text, name)
  return without_null(value), message
end

--- The body of an answer as a table, or nil when it is none.
---@param answer woolly.http.Answer
---@return any?
function service.decode(answer)
  return answer.body and (service.read_json(answer.body, "answer")) or nil
end

--- Name of the first model that the server lists as loaded, else of the first; by OpenAI's list.
---@return string
function Service:model_name()
  if self.model then return self.model end
  local answer = self:request("GET", "/v1/models", nil, { first_s = 10 })
  self:must_answer("/v1/models", answer)
  if not answer.ok then
    failure.raise(string.format("server: %s/v1/models: %s (%s)", self.url, answer.message,
                                answer.failure), "environment")
  end
  local list = service.decode(answer)
  local data = type(list) == "table" and type(list.data) == "table" and list.data or {}
  if not (type(data[1]) == "table" and type(data[1].id) == "string") then
    failure.raise(string.format("server: %s/v1/models lists no model", self.url), "environment")
  end
  self.model = data[1].id
  for _, entry in ipairs(data) do
    if type(entry) == "table" and entry.loaded == true then
      self.model = entry.id
      break
    end
  end
  return self.model
end

--- Is its process there? nil: it is not known which it is.
---@return boolean?
function Service:is_running()
  if self.child then return self.child:pid() ~= nil end
  return self.pid and process.exists("/proc/" .. self.pid)
end

-- ---- what the system says of its process ----

-- Files of /proc have no size, so that process.read_file sees nothing in them.
local function read_status(pid)
  local file = io.open(string.format("/proc/%d/status", pid))
  if not file then return nil end
  local text = file:read "a"
  file:close()
  return function(name) return text and tonumber(text:match("\n" .. name .. ":%s*(%d+)")) end
end

--- Resident now and at most, threads, file descriptors; nil when the process is not known or gone.
---@return {rss_mb: number, peak_mb: number, threads: integer, files?: integer}?
function Service:resources()
  if not self.pid then return nil end
  local field = read_status(self.pid)
  if not (field and field "VmRSS") then return nil end -- gone, or ended and not waited for
  local files = process.list_folder(string.format("/proc/%d/fd", self.pid))
  return { rss_mb = field "VmRSS" * 1024 / 1e6, peak_mb = field "VmHWM" * 1024 / 1e6,
           threads = field "Threads", files = files and #files }
end

function Service:close()
  if self.child then self.child:close() end
end

service.params = {
  pid = { type = "number", help = "process id of the server at --url, for its memory" },
  key = { type = "string", help = "API key of the server; default $WOOLLY_API_KEY" },
  ca_file = { type = "string",
              help = "certificates (PEM) to trust at an https --url instead of the system's" },
}

return service

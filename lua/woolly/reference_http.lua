--- Our server against another one over HTTP, both black boxes: same prompts, same client, pairs in
--- turns. The other is the one at --url, or the user's own llama-server.
local clock   = require "woolly.clock"
local failure = require "woolly.failure"
local http    = require "woolly.http"
local load    = require "woolly.load"
local process = require "woolly.process"
local service = require "woolly.service"
local session = require "woolly.session"
local stats   = require "woolly.stats"

local reference_http = {}

local READY_S <const> = 300 -- a large model takes its time to load
local LOOK_AGAIN_S <const>, MOST_LOG <const> = 0.1, 16 << 20
local PORTS <const>, FIRST_PORT <const> = 20000, 20000
local METRICS <const> = { "other_tokens_per_second_ratio", "other_ttft_ratio",
                          "other_output_ratio" }

-- What it prints goes to a file: it tells of every request, and would wait for who reads a pipe.
-- The pipe stays open as 3, for its end is how we see the program's.
local IN_FILE <const> = 'log=$1; shift; exec "$@" 3>&1 >"$log" 2>&1'
local NOT_FOUND <const> = 127

local function last_line(path)
  local text = process.read_file(path, MOST_LOG) or ""
  return text:match "([^\n]+)\n*$" or "it said nothing"
end

--- Starts llama-server on the model. Without one on the PATH: nil and why.
---@param p woolly.Values
---@param n_ctx integer
---@return woolly.Service?, string? reason
local function start_llama_server(p, n_ctx)
  local program = p.llama_server
  local port = FIRST_PORT + (process.pid() * 7919 + clock.now_ns() // 1000) % PORTS
  local log = string.format("%s/llama-server-%d.log", failure.must(process.cache_folder()),
                            process.pid())
  local words = { "/bin/sh", "-c", IN_FILE, "sh", log, program, "-m", p.model, "--host",
                  "127.0.0.1", "--port", tostring(port), "-c", tostring(n_ctx), "--parallel",
                  tostring(p.n_users) }
  if p.threads then table.move({ "-t", tostring(p.threads[1]) }, 1, 2, #words + 1, words) end
  local _ <close> = setmetatable({}, { __close = function() os.remove(log) end })
  local child = failure.must(process.spawn(words))
  local found = service.adopt(child, string.format("http://127.0.0.1:%d", port))
  local until_ns = clock.now_ns() + READY_S * 1e9
  while true do
    local answer = failure.must(http.request("GET", found.url .. "/health", nil, nil,
                                             { first_s = 5 }))
    if answer.status == 200 and child:pid() then return found end
    child:read_line(LOOK_AGAIN_S) -- it says nothing here: a wait that its end cuts short
    if process.interrupted() then failure.raise("interrupted", "cancelled") end
    local has_ended = not child:pid()
    if has_ended or clock.now_ns() > until_ns then
      local status, why = child:close(), last_line(log)
      if status == NOT_FOUND then
        return nil, string.format("%s: not found. Put llama.cpp's llama-server on the PATH, or "
                                  .. "name it with --llama_server", program)
      end
      return nil, string.format("%s %s: %s", program, has_ended
        and string.format("ended with status %d", status) or "did not get ready", why)
    end
  end
end

--- Both servers, ours started on p.model.
---@param p woolly.Values
function reference_http.open(p)
  if p.reference == "openai" and not p.url then
    failure.raise("--reference openai: --url http://HOST:PORT of the other server is required")
  end
  local model = session.model { model = p.model, switches = { mmap = true } }
  local n_ctx = (p.n_prompt + p.n_tokens) * math.max(1, p.n_users)
  local theirs, reason
  if p.reference == "openai" then
    theirs = service.open { url = p.url, pid = p.pid, key = p.key, ca_file = p.ca_file }
  else
    theirs, reason = start_llama_server(p, n_ctx)
  end
  if not theirs then return { reason = reason } end
  local state = { p = p, sides = {}, pairs = {}, theirs = theirs }
  local ok, message = pcall(function()
    state.ours = service.open({ model = p.model, preset = p.preset, threads = p.threads,
                                switches = p.switches }, { "--quiet" })
    local prompts = load.prompts(p.n_prompt, model)
    for _, side in ipairs { "ours", "theirs" } do
      local bodies = load.bodies(state[side], prompts, { n_tokens = p.n_tokens, api = p.api,
                                                         seed = p.seed })
      state.sides[side] = { service = state[side], bodies = bodies, decode = {}, ttft = {},
                            output = {} }
    end
  end)
  if not ok then
    reference_http.close(state)
    error(message, 0)
  end
  return setmetatable(state, { __close = reference_http.close })
end

function reference_http.close(state)
  for _, side in ipairs { "ours", "theirs" } do
    if state[side] then state[side]:close() end
  end
end

local function check_complete(name, found)
  local summary = found:summary()
  if summary.completed < summary.issued then
    failure.raise(string.format("%s: %s", name, load.failures(summary) or "nothing completed"),
                  "environment")
  end
end

--- One side: prompts one by one, then by several users at once.
local function measure_side(name, side, p)
  local found = {}
  do
    local alone <close> = load.run(side.service, side.bodies, {
      users = 1, requests = p.n_requests, max_tokens = p.n_tokens, keep_text = true }, p.api)
    check_complete(name, alone)
    found.decode = stats.median(alone:values "decode_rate")
    found.ttft = stats.median(alone:values "ttft_ms")
    found.text = alone:request(1).text
  end
  do
    local crowd <close> = load.run(side.service, side.bodies, {
      users = p.n_users, requests = 2 * p.n_users, max_tokens = p.n_tokens }, p.api)
    check_complete(name, crowd)
    local summary = crowd:summary()
    found.output = summary.tokens / summary.seconds
  end
  return found
end

--- One pair; odd ones begin with ours, even ones with theirs.
---@param m woolly.Recorder
---@param state table
function reference_http.pair(m, state)
  if state.reason then
    for _, name in ipairs(METRICS) do m:missing(name, state.reason) end
    return
  end
  local p, found = state.p, {}
  local order = m.index % 2 == 1 and { "ours", "theirs" } or { "theirs", "ours" }
  for _, side in ipairs(order) do found[side] = measure_side(side, state.sides[side], p) end
  local a, b = found.ours, found.theirs
  if a.decode and b.decode then
    m:record("other_tokens_per_second_ratio", a.decode / b.decode)
  else
    m:missing("other_tokens_per_second_ratio", "answers did not come token by token")
  end
  m:record("other_ttft_ratio", a.ttft / b.ttft)
  m:record("other_output_ratio", a.output / b.output)
  if m.warmup then return end
  for _, side in ipairs(order) do
    for _, rate in ipairs { "decode", "ttft", "output" } do
      table.insert(state.sides[side][rate], found[side][rate])
    end
  end
  local n = 0
  while n < #a.text and a.text:byte(n + 1) == b.text:byte(n + 1) do n = n + 1 end
  state.equal = math.min(state.equal or n, n)
  state.length = #a.text
end

local function spread(values, format)
  if #values == 0 then return "-" end
  local low, high = stats.range(values)
  return string.format(format .. " [" .. format .. ", " .. format .. "]", stats.median(values), low,
                       high)
end

---@param state table
---@return string[]
function reference_http.notes(state)
  if state.reason or #(state.sides.ours or { decode = {} }).decode == 0 then return {} end
  local notes = {}
  for _, name in ipairs { "ours", "theirs" } do
    local side = state.sides[name]
    local resources = side.service:resources()
    notes[#notes + 1] = string.format("%-6s  decode %s tokens/s  first token %s ms  %d users %s "
      .. "tokens/s  peak %s  (%s)", name, spread(side.decode, "%.1f"), spread(side.ttft, "%.1f"),
      state.p.n_users, spread(side.output, "%.1f"),
      resources and string.format("%.0f MB", resources.peak_mb) or "memory unknown: --pid N",
      side.service.url)
  end
  notes[#notes + 1] = string.format("greedy text equal from the first on: %d of %d bytes",
                                    state.equal or 0, state.length or 0)
  return notes
end

return reference_http

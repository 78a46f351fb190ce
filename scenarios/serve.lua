local json = require "woolly.json"
local models = require "woolly.models"
local process = require "woolly.process"
local server = require "woolly.server"
local tools = require "woolly.tools"
local woolly = require "woolly"

local function name_of(path)
  return (path:match("([^/]+)$"):gsub("%.gguf$", ""))
end

--- The models of the command line, loaded, and those of the folder beside them, not loaded.
local function list(p)
  local found, seen = {}, {}
  local function add(path, load)
    if seen[path] then return end
    seen[path] = true
    found[#found + 1] = { name = name_of(path), path = path, load = load }
  end
  for spec in (p.model .. ","):gmatch("([^,]*),") do
    if spec ~= "" and spec ~= "none" then add(models.resolve(spec, p.quiet), true) end
  end
  if p.models then
    for _, name in ipairs(woolly.must(process.list_folder(p.models))) do
      if name:match("%.gguf$") then add(p.models .. "/" .. name, false) end
    end
  end
  return found
end

local function options(p)
  local given = { bind = p.bind, port = p.port, api_key = p.api_key or process.env "WOOLLY_API_KEY",
                  allow_origins = p.allow_origins, allow_hosts = p.allow_hosts, faults = p.faults,
                  chat_template = p.chat_template, n_ctx = p.n_ctx, n_batch = p.n_batch,
                  max_streams = p.max_streams, max_queued = p.max_queued, kv_mb = p.kv_mb,
                  max_connections = p.max_connections, preset = p.preset, kv_type = p.kv_type,
                  threads = p.threads and p.threads[1] }
  if given.api_key == "" then given.api_key = nil end
  return given
end

--- Runs the MCP tools that clients call, until it is stopped.
local function answer_calls(running, p)
  while true do
    local call = running:next_call(0.25)
    if call then
      local text, is_error = tools.call(call.tool, json.decode(call.arguments, "arguments"), p)
      running:answer_call(call.id, text, is_error)
    end
  end
end

return woolly.tool {
  about = "HTTP server: Woolly's API, OpenAI's API, MCP (docs/http.md)",
  help = "Ends on Ctrl-C or SIGTERM. The key may also come from the environment: WOOLLY_API_KEY.\n"
    .. "Faults for --faults, to test what tests servers:\n  "
    .. table.concat(server.faults(), "\n  "),
  params = {
    model = { default = "bundled:stories260K",
              help = "models to load, comma-separated: files, synth:..., bundled:..., or none" },
    models = { type = "string", help = "a folder whose GGUF files can be loaded by request" },
    bind = { default = "127.0.0.1", help = "address; another one than loopback needs a key" },
    port = { default = 8080, help = "0: a free one" },
    api_key = { type = "string", help = "asked of every request but /health" },
    allow_origins = { type = "string", help = "origins of pages that may call, comma-separated" },
    allow_hosts = { type = "string", help = "further names of this server in Host headers" },
    chat_template = { type = "string", help = "a built-in template instead of the model's own" },
    preset = { default = "p5", help = "engine switches of a phase, from p2" },
    threads = { type = "list", help = "worker threads; the first counts" },
    kv_type = { type = "string", help = "KV cache: f32, f16, q8_0, q4_0" },
    n_ctx = { default = 0, help = "tokens of a conversation; 0: the model's, 4096 at most" },
    n_batch = { default = 128, help = "tokens of a prompt between two steps of the others" },
    max_streams = { default = 32, help = "sequences generated together" },
    max_queued = { default = 64, help = "sequences that wait; then 429" },
    max_connections = { default = 1088, help = "open connections; then 503" },
    kv_mb = { default = 0.0, help = "MB of KV caches; 0: a quarter of the memory" },
    store = { default = "woolly.db", help = "runs that the MCP tools show" },
    faults = { type = "string", help = "what to do wrong, see below" },
    json = { type = "string", help = "write {url, port, pid, models} here once it listens" },
  },
  run = function(p)
    local found = list(p)
    local running <close> = woolly.must(server.start(found, options(p)))
    woolly.must(running:set_tools(json.encode(json.array(tools.list()))))
    local host = p.bind:find(":", 1, true) and "[" .. p.bind .. "]" or p.bind
    local url = string.format("http://%s:%d", host, running:port())
    local names = {}
    for i, model in ipairs(found) do
      names[i] = model.name .. (model.load and "" or " (not loaded)")
    end
    if p.json then
      local facts = { url = url, port = running:port(), pid = process.pid(),
                      models = json.array(names) }
      woolly.must(process.write_file(p.json, json.encode(facts) .. "\n"))
    end
    io.write(string.format("listening on %s, models: %s\n", url,
                           #names > 0 and table.concat(names, ", ") or "none"))
    io.flush()
    local _, message, reason = process.guard(answer_calls, running, p)
    if reason ~= "interrupted" then error(message, 0) end
    if not p.quiet then process.stderr("woolly: stopped\n") end
    return 0
  end,
}

---@meta woolly.server
error("for editors only")

--- The HTTP server in front of the engine; docs/http.md describes what it answers.
---@class woolly.server
local server = {}

---@class woolly.server.Model
---@field name string    in URLs and in the field `model`
---@field path string    of the GGUF file
---@field load? boolean  at the start

---@class woolly.server.Options
---@field bind? string             address, default 127.0.0.1; another one than loopback needs api_key
---@field port? integer            default 8080; 0: a free one
---@field api_key? string          asked of every request but /health
---@field allow_origins? string    comma-separated, beside those of this machine
---@field allow_hosts? string      comma-separated names for the Host header, beside this machine's
---@field chat_template? string    of every model; default: what the model's file holds
---@field faults? string           "no_done,token_ms=20": what to do wrong, for tests of tests
---@field n_ctx? integer           tokens of a conversation at most
---@field n_batch? integer         tokens of a prompt between two steps, default 128
---@field max_connections? integer default 1088: 1024 that idle, and some to spare
---@field max_streams? integer     sequences generated together, default 32
---@field max_queued? integer      that wait, default 64; then 429
---@field kv_mb? number            MB of KV caches; default a quarter of the machine's memory
---@field preset? string           engine switches, default p5
---@field threads? integer
---@field backend? string
---@field kv_type? string          f32, f16, q8_0, q4_0
---@field key_type? string
---@field value_type? string
---@field repack? boolean
---@field huge_pages? boolean
---@field tune? boolean

--- Loads the models to be loaded and listens. The server answers on threads of its own.
---@param models woolly.server.Model[]
---@param options? woolly.server.Options
---@return woolly.server.Server? server, string? message, string? code
function server.start(models, options) end

--- "name: what it does" of every fault.
---@return string[]
function server.faults() end

---@class woolly.server.Server
local Server = {}

--- Ends what runs, closes every connection, frees the models. Also `<close>`.
function Server:close() end

--- The port it listens on.
---@return integer
function Server:port() end

--- A document that GET answers with, replaced by the next of that path.
---@param path string   begins with /dashboard
---@param type "html"|"json"
---@param body string
---@return true? ok, string? message, string? code
function Server:set_page(path, type, body) end

--- What MCP's tools/list says: a JSON array of {name, description, inputSchema}.
---@param json string
---@return true? ok, string? message, string? code
function Server:set_tools(json) end

--- The next call of a tool, or nil when none came in time.
---@param seconds? number   to wait, default 0.25
---@return {id: integer, tool: string, arguments: string}? call   arguments: JSON
function Server:next_call(seconds) end

--- Sends what the tool said.
---@param id integer
---@param text string
---@param is_error? boolean
---@return boolean sent   false: nobody waits for it any more
function Server:answer_call(id, text, is_error) end

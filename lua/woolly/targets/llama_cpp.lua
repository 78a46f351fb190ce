--- Target: llama.cpp, the reference. The libraries are those of an npm package, run by node in a
--- process of its own that stays for the life of the target; see llama_cpp_script.lua.
local failure = require "woolly.failure"

local llama_cpp = {}

--- Version of the npm packages @node-llama-cpp/*, and the llama.cpp release in them. run.sh
--- --with-llama-cpp installs exactly this one; the script uses calls that others may not have.
llama_cpp.VERSION = "3.22.1"
llama_cpp.RELEASE = "v0.5.0"
llama_cpp.INSTALL = "./run.sh --with-llama-cpp comparative.lua"

--- Seconds until an answer must be there: a long prompt on a large model takes minutes.
llama_cpp.answer_s = 3600

local ADDON <const> = "llama-addon.node"
local FLASH_ATTENTION <const> = { on = true, off = false, auto = "auto" }

--- Folder of the installed libraries.
---@return string? folder, string? message, string? code   "unavailable" when not installed
function llama_cpp.libraries()
  local process = require "woolly.process"
  local cache, message, code = process.cache_folder()
  if not cache then return nil, message, code end
  local packages = string.format("%s/llama_cpp/%s/node_modules/@node-llama-cpp", cache,
                                 llama_cpp.VERSION)
  for _, name in ipairs(process.exists(packages) and process.list_folder(packages) or {}) do
    local folder = string.format("%s/%s/bins/%s", packages, name, name)
    if process.exists(folder .. "/" .. ADDON) then return folder end
  end
  return nil, "llama.cpp is not installed. " .. llama_cpp.INSTALL .. " in the source tree installs "
    .. "it in the cache folder", "unavailable"
end

--- The script as a file beside the package, written when it is not there as it should be.
local function script_file()
  local process = require "woolly.process"
  local text = require "woolly.targets.llama_cpp_script"
  local path = string.format("%s/llama_cpp/%s/engine.cjs", failure.must(process.cache_folder()),
                             llama_cpp.VERSION)
  if not process.exists(path) or process.read_file(path) ~= text then
    failure.must(process.write_file(path, text))
  end
  return path
end

---@class woolly.LlamaCpp: woolly.Target
local Target = {}
Target.__index = Target

local function is_numbers(list, n)
  if type(list) ~= "table" or #list ~= n then return false end
  for _, value in ipairs(list) do
    if type(value) ~= "number" then return false end
  end
  return true
end

--- The next answer as a table. What is no answer ends the target's use: environment.
local function read_answer(self)
  local json = require "woolly.json"
  local line, message, code = self.child:read_line(llama_cpp.answer_s)
  if not line then
    local prefix = code == "cancelled" and "" or "llama.cpp: "
    return nil, prefix .. message, code
  end
  local answer = json.decode(line, "llama.cpp")
  if type(answer) ~= "table" then
    return nil, string.format("llama.cpp: answered '%s', a JSON object is required",
                              line:sub(1, 200)), "environment"
  end
  if answer.error then return nil, "llama.cpp: " .. tostring(answer.error), "unavailable" end
  self.idle_ns = self.idle_ns + (tonumber(answer.idle_ns) or 0)
  self.idle_cpu_ns = self.idle_cpu_ns + (tonumber(answer.idle_cpu_ns) or 0)
  return answer
end

local function ask(self, request)
  request.threads, request.n_ctx = self.threads, request.n_ctx or #request.tokens
  if request.flash_attention == nil then request.flash_attention = self.flash_attention end
  local ok, message, code = self.child:write_line(require("woolly.json").encode(request))
  if not ok then return nil, "llama.cpp: " .. message, code end
  return read_answer(self)
end

--- Starts node and loads the model. "unavailable" when it is not installed or llama.cpp refuses the
--- model.
---@param p woolly.Values   model, threads; flash_attention "on", "off", "auto" (default)
---@return woolly.LlamaCpp? target, string? message, string? code
function llama_cpp.open(p)
  local process = require "woolly.process"
  local libraries, message, code = llama_cpp.libraries()
  if not libraries then return nil, message, code end
  local child
  child, message = process.spawn { "node", script_file(), libraries, p.model }
  if not child then
    return nil, string.format("llama.cpp: %s. %s installs Debian's nodejs, or install Node.js 18 "
                              .. "or newer", message, llama_cpp.INSTALL), "unavailable"
  end
  local self = setmetatable({
    child = child, threads = p.threads and p.threads[1] or 1, p = p, idle_ns = 0, idle_cpu_ns = 0,
    flash_attention = FLASH_ATTENTION[p.flash_attention or "auto"],
  }, Target)
  local ready
  ready, message, code = read_answer(self)
  if not ready then
    child:close()
    return nil, message, code
  end
  self.system = ready.system
  return self
end

--- idle_share: CPU time of its process while it had nothing to do, in cores.
function Target:info()
  return { name = "llama_cpp", white_box = false, release = llama_cpp.RELEASE,
           package = llama_cpp.VERSION, system = self.system,
           idle_share = self.idle_ns > 0 and self.idle_cpu_ns / self.idle_ns or nil }
end

---@class woolly.LlamaCppGeneration: woolly.Generation
---@field decode_ns integer   time inside llama.cpp for the tokens after the first

--- Greedy, the ids exactly as given, past any end of text, F16 keys and values.
---@param request {prompt?: string, tokens?: integer[], max_tokens: integer, n_ctx?: integer,
---  flash_attention?: boolean}
---@return woolly.LlamaCppGeneration? result, string? message, string? code
function Target:generate(request)
  local ids = request.tokens
    or require("woolly.session").model(self.p):tokenize(request.prompt)
  local n = request.max_tokens
  local answer, message, code = ask(self, {
    op = "generate", tokens = ids, max_tokens = n, n_ctx = request.n_ctx or #ids + n,
    flash_attention = request.flash_attention })
  if not answer then return nil, message, code end
  if not (is_numbers(answer.tokens, n) and is_numbers(answer.times_ns, n)
          and is_numbers({ answer.start_ns, answer.prefill_ns, answer.decode_ns }, 3)) then
    return nil, string.format("llama.cpp: %d tokens with their times were asked for, the answer "
                              .. "has others", n), "environment"
  end
  return { prompt_tokens = #ids, tokens = answer.tokens, start_ns = answer.start_ns,
           prefill_ns = answer.prefill_ns, decode_ns = answer.decode_ns,
           times_ns = answer.times_ns, finish_reason = "length" }
end

--- Every position's logits as raw float32 rows, as Context:compare_file reads them.
---@param request {tokens: integer[], path: string, flash_attention?: boolean}
---@return integer? rows, string? message, string? code
function Target:logits(request)
  local answer, message, code = ask(self, {
    op = "logits", tokens = request.tokens, path = request.path,
    flash_attention = request.flash_attention })
  if not answer then return nil, message, code end
  return answer.rows
end

function Target:close()
  self.child:close()
end

return llama_cpp

local common = require "woolly.common"
local contract = require "woolly.contract"
local json = require "woolly.json"
local models = require "woolly.models"
local progress = require "woolly.progress"
local service = require "woolly.service"
local woolly = require "woolly"

-- So that a key is asked for.
local KEY <const> = "contract-key"

local function open(p)
  if p.url then
    local found = service.open(p)
    found:must_answer("/health", found:request("GET", "/health", nil, { first_s = 10 }))
    return found
  end
  p.model = models.resolve(p.model, p.quiet)
  p.key = p.key or KEY
  local extra = { "--api_key", p.key, "--quiet" }
  if p.faults then table.move({ "--faults", p.faults }, 1, 2, #extra + 1, extra) end
  return service.open(p, extra)
end

--- Ids of a prompt by our own tokenizer, for a server of ours.
local function tokenizer(p)
  if p.url then return nil end
  local engine = require "woolly.engine"
  local model = woolly.must(engine.load(p.model, { mmap = true }))
  return function(text) return #model:tokenize(text) end, model
end

local function render(p, checks)
  local held, failed = contract.count(checks)
  local lines = {}
  for _, check in ipairs(p.all and checks or failed) do
    lines[#lines + 1] = string.format("%s  %-9s %s%s", check.ok and "ok  " or "FAIL", check.part,
                                      check.name, check.ok and "" or ": " .. check.reason)
  end
  lines[#lines + 1] = string.format("%d of %d checks hold", held, #checks)
  return table.concat(lines, "\n")
end

return woolly.tool {
  about = "Every check of the HTTP contract against a server of ours, or the one at --url",
  params = {
    model = { default = "bundled:stories260K", help = "model of the server that is started" },
    preset = { default = "p5", help = "engine switches of it" },
    threads = { type = "list", help = "worker threads of it" },
    faults = { type = "string", help = "what it does wrong (serve.lua --help lists it)" },
    url = { type = "string", help = "server to check instead" },
    key = service.params.key,
    pid = service.params.pid,
    ca_file = service.params.ca_file,
    change_models = { type = "boolean", help = "unload and load the model of the server at --url" },
    parts = { type = "string", help = "only these, comma-separated: "
              .. table.concat(contract.parts, ", ") },
    all = { type = "boolean", help = "show the checks that hold too" },
    json = common.json_param,
  },
  run = function(p)
    local found <close> = open(p)
    local tokens, model = tokenizer(p)
    local parts
    for word in (p.parts or ""):gmatch "[^,]+" do
      parts = parts or {}
      parts[word] = true
    end
    local line = progress.new { quiet = p.quiet }
    local checks = contract.run(found, {
      parts = parts, changes_models = p.change_models or not p.url, tokens = tokens,
      progress = function(share, part) line:share("contract: " .. part, share, 1) end })
    line:clear()
    if model then model:close() end
    common.print(p, { url = p.url, checks = json.array(checks) }, render(p, checks))
    return contract.count(checks) == #checks and 0 or 1
  end,
}

--- One part of a campaign: a script in a process of its own, and how far it is meanwhile.
local clock    = require "woolly.clock"
local failure  = require "woolly.failure"
local process  = require "woolly.process"
local progress = require "woolly.progress"
local stored   = require "woolly.stored"

local campaign_part = {}

local THIS <const> = "/proc/self/exe"
local TAG <const> = "campaign"
local LAST_REPORT <const> = 2 -- exit statuses up to it come with a report
local LOOK_AGAIN_S <const> = 0.5
local MOST_PROGRESS <const> = 4096

--- How far the part is, as it tells in a file beside the store; made here unless somebody watches
--- already.
local function watch(store)
  local path = progress.path(store)
  local is_ours = not process.exists(path) and process.write_file(path, "")
  return path, setmetatable({}, { __close = function()
    if is_ours then os.remove(path) end
  end })
end

-- What ended it is told by close(); the last words of its standard error by the message.
local function wait(part, started, head, line, watched)
  while true do
    local said, message = part:read_line(LOOK_AGAIN_S)
    if process.interrupted() then failure.raise("interrupted", "cancelled") end
    if not said and not part:pid() then return part:close(), message end
    local far = process.read_file(watched, MOST_PROGRESS) or ""
    line:show(string.format("%s, %s%s", head,
      progress.seconds((clock.now_ns() - started) / 1e9), far ~= "" and ": " .. far or ""))
  end
end

--- Runs a part; its report comes through a file, whatever its size.
---@param part woolly.CampaignPart
---@param p woolly.Values   store, quiet
---@param head string       what to call it while it runs
---@param key string        of the campaign
---@return woolly.CampaignResult
function campaign_part.run(part, p, head, key)
  local report = string.format("%s/campaign-%d.json", failure.must(process.cache_folder()),
                               process.pid())
  local _ <close> = setmetatable({}, { __close = function() os.remove(report) end })
  local words = table.move(part.words, 1, #part.words, 3, { THIS, part.name .. ".lua" })
  table.move({ "--quiet", "--json=" .. report, "--store=" .. p.store }, 1, 3, #words + 1, words)
  -- A campaign inside this one has parts of its own, and a tag for itself.
  words[#words + 1] = (part.is_tool and "--within=" or "--tag=" .. TAG .. "=") .. key
  local line = progress.new { quiet = p.quiet }
  local started, watched, made = clock.now_ns(), watch(p.store)
  local status, message
  do
    local _ <close> = made
    local child <close> = failure.must(process.spawn(words))
    status, message = wait(child, started, head, line, watched)
  end
  line:clear()
  if status > LAST_REPORT then
    local said = (message or ""):match "ended with status %d+: (.+)$" or ""
    return { status = status, message = said ~= "" and (said:gsub("^woolly: ", ""))
             or "ended with status " .. status }
  end
  local ok, document = pcall(stored.file, report, part.name)
  if not ok then return { status = 5, message = tostring(document) } end
  return { status = status, document = document }
end

return campaign_part

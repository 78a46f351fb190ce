--- Target: an engine that does nothing. What it measures is the harness itself.
local null = {}

local Target = {}
Target.__index = Target

---@return woolly.Target
function null.open()
  return setmetatable({}, Target)
end

function Target.info()
  return { name = "null", white_box = false }
end

function Target.generate(_, request)
  local result = require("woolly.engine").null_decode { n_tokens = request.max_tokens }
  return {
    prompt_tokens = request.tokens and #request.tokens or 0, tokens = result.tokens,
    start_ns = result.start_ns, times_ns = result.times_ns, finish_reason = "length",
  }
end

function Target.close() end

return null

--- Target: the embedded engine, in process.
local session = require "woolly.session"

local native = {}

local Target = {}
Target.__index = Target

---@param p woolly.Values
---@return woolly.Target
function native.open(p)
  local model = session.model(p)
  return setmetatable({ model = model, context = session.context(model, p), preset = p.preset },
                      Target)
end

function Target:info()
  return { name = "native", model = self.model:info(), white_box = true }
end

function Target:generate(request)
  local ids = request.tokens or self.model:tokenize(request.prompt)
  self.context:clear()
  local prefill, message, code = self.context:prefill(ids)
  if not prefill then return nil, message, code end
  local decode
  decode, message, code = self.context:decode { n_tokens = request.max_tokens,
                                                seed = request.seed }
  if not decode then return nil, message, code end
  return {
    prompt_tokens = #ids, tokens = decode.tokens, start_ns = prefill.start_ns,
    prefill_ns = prefill.end_ns - prefill.start_ns, times_ns = decode.times_ns,
    finish_reason = decode.finish_reason,
  }
end

function Target:close()
  self.context:close()
end

return native

--- How far a context's answers may be from the F32 reference path, by what it rounds. Pure.
local accuracy = {}

---@class woolly.Accuracy
---@field rounds string    what is rounded beside F32: "nothing", "int8 activations, f16 cache"
---@field nmse number      most: of the logits
---@field kld number       most: mean, nats
---@field top1 number      least: share of positions with the same first choice

-- Limits by what is rounded; the loosest that applies counts. Found with stories260K in 9 types:
-- int8 activations NMSE 6e-5, KLD 4e-4, first choice 0.96; f16 cache 6e-8. With synth:110m-q4_0,
-- whose random weights carry every rounding far: int8 NMSE 2e-3, KLD 7e-3; with a q8_0 cache 2e-3;
-- with a q4_0 cache 8e-2, KLD 0.3.
local LIMITS <const> = {
  { what = "nothing", nmse = 1e-6, kld = 1e-5, top1 = 1 },
  { what = "f16 cache", nmse = 1e-4, kld = 1e-3, top1 = 0.97 },
  { what = "int8 activations", nmse = 5e-3, kld = 2e-2, top1 = 0.9 },
  { what = "q8_0 cache", nmse = 5e-3, kld = 2e-2, top1 = 0.9 },
  { what = "q4_0 cache", nmse = 0.25, kld = 1, top1 = 0.5 },
}
local FLOAT_TYPES <const> = { F32 = true, F16 = true, BF16 = true }

--- Does a model have matrices that are not float?
---@param tensors {type: string, shape: integer[]}[]   of model:tensors()
---@return boolean
function accuracy.is_quantised(tensors)
  for _, tensor in ipairs(tensors) do
    if #tensor.shape > 1 and not FLOAT_TYPES[tensor.type] then return true end
  end
  return false
end

--- The limits of a context with these switches on a model.
---@param switches woolly.engine.Switches   of context:switches()
---@param quantised boolean                 accuracy.is_quantised of the model
---@return woolly.Accuracy
function accuracy.limits(switches, quantised)
  local applies = {
    ["nothing"] = true,
    ["int8 activations"] = switches.fused_matmul and quantised,
  }
  for _, kind in ipairs { switches.key_type, switches.value_type } do
    applies[kind .. " cache"] = true
  end
  local found, names = nil, {}
  for i, limit in ipairs(LIMITS) do
    if applies[limit.what] then
      found = limit
      if i > 1 then names[#names + 1] = limit.what end
    end
  end
  return { rounds = #names > 0 and table.concat(names, ", ") or "nothing", nmse = found.nmse,
           kld = found.kld, top1 = found.top1 }
end

return accuracy

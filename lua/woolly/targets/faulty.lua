--- Target: the embedded engine with planted faults (--faults): what detectors are tested against.
local native = require "woolly.targets.native"

local faulty = {}

---@param p woolly.Values   with faults
---@return woolly.Target
function faulty.open(p)
  local target = native.open(p)
  function target:info()
    return { name = "faulty", model = self.model:info(), white_box = true }
  end
  return target
end

return faulty

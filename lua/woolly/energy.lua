--- Energy of the processor packages, where the kernel counts it (RAPL), else why not.
local process = require "woolly.process"

local energy = {}

local FOLDER <const> = "/sys/class/powercap"

---@class woolly.Energy   a reading: micro-joules by domain, and where each wraps
---@field [string] {used: integer, wraps_at: integer}

--- The packages' counters now. Parts of a package (core, dram within it) are not added twice.
---@param folder? string   other than the kernel's, for tests
---@return woolly.Energy? reading
---@return string? reason
function energy.read(folder)
  folder = folder or FOLDER
  local names = process.exists(folder) and process.list_folder(folder) or {}
  local reading, why = {}, "no energy counters on this machine (RAPL: " .. folder
    .. " has none); a virtual machine is given none"
  for _, name in ipairs(names) do
    if name:match("^intel%-rapl:%d+$") then
      local path = folder .. "/" .. name
      local used, message = process.read_file(path .. "/energy_uj", 64)
      local most = process.read_file(path .. "/max_energy_range_uj", 64)
      used, most = math.tointeger(tonumber(used)), math.tointeger(tonumber(most))
      if used and most then
        reading[name] = { used = used, wraps_at = most }
      else
        why = "energy counters may not be read: " .. (message or path .. ": not a number")
          .. ". As root: chmod a+r " .. FOLDER .. "/*/energy_uj"
      end
    end
  end
  if next(reading) then return reading end
  return nil, why
end

--- Joules between two readings, one wrap of each counter allowed for.
---@param before woolly.Energy
---@param after woolly.Energy
---@return number
function energy.joules(before, after)
  local sum = 0
  for name, start in pairs(before) do
    local stop = after[name]
    if stop then
      local used = stop.used - start.used
      if used < 0 then used = used + start.wraps_at end
      sum = sum + used
    end
  end
  return sum / 1e6
end

--- Runs work and records joules_per_token for the n tokens that it returns, where that can be read.
---@param m woolly.Recorder
---@param work fun(): integer
---@param folder? string
function energy.per_token(m, work, folder)
  local before = energy.read(folder)
  local n = work()
  local after = before and energy.read(folder)
  if after then m:record("joules_per_token", energy.joules(before, after) / n) end
end

--- Says why there is no energy, where there is none; once, after the measuring.
---@param m woolly.Recorder
---@param folder? string
function energy.explain(m, folder)
  local reading, reason = energy.read(folder)
  if not reading then m:missing("joules_per_token", reason) end
end

return energy

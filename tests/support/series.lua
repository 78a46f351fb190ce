--- Series for the tests of statistics: files of the shared data, simulated histories.
local series = {}

--- The numbers of the list `key` in a JSON text.
---@param text string
---@param key string
---@return number[]
function series.numbers(text, key)
  local values = {}
  for value in text:match('"' .. key .. '"%s*:%s*%[(.-)%]'):gmatch("[%d.eE+-]+") do
    values[#values + 1] = tonumber(value)
  end
  return values
end

--- A file of the shared statistics data, or nil and why it is not here.
---@param name string
---@return string? text, string? reason
function series.shared(name)
  local source = os.getenv("WOOLLY_SOURCE") or "."
  local path = source .. "/../shared/data/stats/" .. name
  local file = io.open(path, "rb")
  if not file then return nil, path .. " is not there" end
  local text = file:read("a")
  file:close()
  return text
end

--- n values around 100: noise of the share cv with lag-1 correlation rho; steps[i] multiplies the
--- level from value i on.
---@param generator woolly.stats.Random
---@param n integer
---@param cv number
---@param rho? number
---@param steps? table<integer, number>
---@return number[]
function series.history(generator, n, cv, rho, steps)
  rho = rho or 0.0
  local values, level, noise = {}, 100.0, generator:normal()
  for i = 1, n do
    level = level * (steps and steps[i] or 1)
    values[i] = level * (1 + cv * noise)
    noise = rho * noise + math.sqrt(1 - rho * rho) * generator:normal()
  end
  return values
end

return series

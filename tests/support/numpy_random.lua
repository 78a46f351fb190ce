--- The permutations of numpy.random.seed(n) and numpy.random.shuffle: the Mersenne Twister
--- (MT19937) with masked rejection. For comparing with results that were published with them.
local numpy_random = {}

local N <const>, M <const>, WORD <const> = 624, 397, 0xFFFFFFFF

--- A generator of 32-bit words.
---@param seed integer
---@return fun(): integer
function numpy_random.words(seed)
  local state, at = { [0] = seed & WORD }, N
  for i = 1, N - 1 do
    state[i] = (1812433253 * (state[i - 1] ~ (state[i - 1] >> 30)) + i) & WORD
  end
  local function refill()
    for i = 0, N - 1 do
      local y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7FFFFFFF)
      state[i] = state[(i + M) % N] ~ (y >> 1) ~ (y & 1 == 1 and 0x9908B0DF or 0)
    end
    at = 0
  end
  return function()
    if at == N then refill() end
    local y = state[at]
    at = at + 1
    y = y ~ (y >> 11)
    y = y ~ ((y << 7) & 0x9D2C5680)
    y = y ~ ((y << 15) & 0xEFC60000)
    return y ~ (y >> 18)
  end
end

--- A function that returns shuffled copies of lists, as numpy.random.shuffle shuffles them.
---@param seed integer
---@return fun(list: integer[]): integer[]
function numpy_random.shuffler(seed)
  local next_word = numpy_random.words(seed)
  local function at_most(max)
    local mask = max
    for _, shift in ipairs { 1, 2, 4, 8, 16 } do mask = mask | (mask >> shift) end
    local value
    repeat value = next_word() & mask until value <= max
    return value
  end
  return function(list)
    local copy = table.move(list, 1, #list, 1, {})
    for i = #copy - 1, 1, -1 do
      local j = at_most(i)
      copy[i + 1], copy[j + 1] = copy[j + 1], copy[i + 1]
    end
    return copy
  end
end

return numpy_random

--- Distribution functions: normal, Student t, binomial. Accurate to about 1e-13.
local distributions = {}

-- ln gamma(x), x > 0: Stirling's series above 15, recurrence below.
local function ln_gamma(x)
  local shift = 0.0
  while x < 15 do
    shift = shift + math.log(x)
    x = x + 1
  end
  local y = 1 / (x * x)
  local series = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y / 1188)))) / x
  return (x - 0.5) * math.log(x) - x + 0.91893853320467274 + series - shift
end

local function erfc_tail(x) -- x >= 2: continued fraction, from its far end
  local fraction = 0.0
  for k = 60, 1, -1 do fraction = k / 2 / (x + fraction) end
  return math.exp(-x * x) / math.sqrt(math.pi) / (x + fraction)
end

local function erf_series(x)
  local term, sum, n = x, x, 0
  repeat
    n = n + 1
    term = term * 2 * x * x / (2 * n + 1)
    sum = sum + term
  until math.abs(term) < 1e-17 * math.abs(sum)
  return 2 / math.sqrt(math.pi) * math.exp(-x * x) * sum
end

--- Share of a standard normal below z.
---@param z number
---@return number
function distributions.normal_cdf(z)
  local x = math.abs(z) / math.sqrt(2)
  if x == 0 then return 0.5 end
  local upper = x < 2 and (1 - erf_series(x)) / 2 or erfc_tail(x) / 2
  return z < 0 and upper or 1 - upper
end

--- Two-sided p value of a standard normal z.
---@param z number
---@return number
function distributions.normal_two_sided(z)
  return 2 * distributions.normal_cdf(-math.abs(z))
end

--- z below which the share p of a standard normal lies, 0 < p < 1.
---@param p number
---@return number
function distributions.normal_quantile(p)
  if p == 0.5 then return 0.0 end
  local tail = math.min(p, 1 - p)
  local t = math.sqrt(-2 * math.log(tail))
  local z = -(t - (2.30753 + 0.27061 * t) / (1 + t * (0.99229 + 0.04481 * t)))
  for _ = 1, 4 do -- Halley's steps on the lower tail
    local miss = (distributions.normal_cdf(z) - tail) * math.sqrt(2 * math.pi) * math.exp(z * z / 2)
    z = z - miss / (1 + z * miss / 2)
  end
  return p < 0.5 and z or -z
end

local TINY <const> = 1e-300

local function away_from_0(x) return math.abs(x) < TINY and TINY or x end

local function beta_fraction(x, a, b) -- Lentz's method
  local c, d = 1.0, 1 / away_from_0(1 - (a + b) * x / (a + 1))
  local result = d
  for m = 1, 500 do
    local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away_from_0(1 + even * d)
    c = away_from_0(1 + even / c)
    result = result * d * c
    local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away_from_0(1 + odd * d)
    c = away_from_0(1 + odd / c)
    result = result * d * c
    if math.abs(d * c - 1) < 1e-15 then break end
  end
  return result
end

--- Regularised incomplete beta function I_x(a, b).
---@param x number
---@param a number
---@param b number
---@return number
function distributions.beta(x, a, b)
  if x <= 0 then return 0.0 end
  if x >= 1 then return 1.0 end
  local front = math.exp(ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * math.log(x)
                         + b * math.log(1 - x))
  if x < (a + 1) / (a + b + 2) then return front * beta_fraction(x, a, b) / a end
  return 1 - front * beta_fraction(1 - x, b, a) / b
end

--- Two-sided p value of Student's t.
---@param t number
---@param df number   may be a fraction
---@return number
function distributions.t_two_sided(t, df)
  if t ~= t then return 1.0 end
  return distributions.beta(df / (df + t * t), df / 2, 0.5)
end

--- t below which the share p lies.
---@param p number
---@param df number
---@return number
function distributions.t_quantile(p, df)
  if p == 0.5 then return 0.0 end
  local tail = 2 * math.min(p, 1 - p)
  local low, high = 0.0, 1.0
  while distributions.t_two_sided(high, df) > tail do high = high * 2 end
  for _ = 1, 200 do
    local middle = (low + high) / 2
    if middle == low or middle == high then break end
    if distributions.t_two_sided(middle, df) > tail then low = middle else high = middle end
  end
  return p < 0.5 and -high or high
end

--- Probability of k successes or fewer in n tries of probability p each.
---@param k integer
---@param n integer
---@param p number
---@return number
function distributions.binomial_at_most(k, n, p)
  if k < 0 then return 0.0 end
  if k >= n then return 1.0 end
  return distributions.beta(1 - p, n - k, k + 1)
end

return distributions

--- The statistics modules against published vectors, exact values and definitions.
local bootstrap      = require "woolly.stats.bootstrap"
local distributions  = require "woolly.stats.distributions"
local early_stopping = require "woolly.stats.early_stopping"
local histogram      = require "woolly.stats.histogram"
local multiple       = require "woolly.stats.multiple"
local outliers       = require "woolly.stats.outliers"
local random         = require "woolly.stats.random"
local ranks          = require "woolly.stats.ranks"
local tap            = require "tap"

local function range(first, last)
  local values = {}
  for i = first, last do values[#values + 1] = i end
  return values
end

-- ---- distributions ----

tap.test("normal, t and binomial agree with tables", function()
  tap.near(distributions.normal_cdf(1.959963984540054), 0.975, 1e-15)
  tap.near(distributions.normal_cdf(-6) / 9.865876450376946e-10, 1, 1e-12)
  tap.near(distributions.normal_quantile(0.99), 2.3263478740408408, 1e-13)
  tap.near(distributions.normal_quantile(1e-10), -6.361340902404056, 1e-11)
  tap.near(distributions.t_quantile(0.995, 29), 2.756385903670607, 1e-12)
  tap.near(distributions.t_quantile(0.975, 1), 12.706204736174698, 1e-10)
  tap.near(distributions.t_two_sided(-2.228138851986273, 10), 0.05, 1e-13)
  tap.near(distributions.binomial_at_most(1, 2, 0.5), 0.75, 1e-15)
end)

tap.test("early stopping: 64 for p90, 130 for p95, 662 for p99", function()
  for p, n in pairs { [90] = 64, [95] = 130, [99] = 662, [50] = 5 } do
    tap.equal(early_stopping.samples_needed(p), n, "p" .. p)
  end
  tap.equal(early_stopping.most_over(99, 662), 1)
  tap.equal(early_stopping.most_over(99, 661), 0)
  tap.equal(early_stopping.most_over(90, 10), nil, "ten samples prove no p90")
end)

tap.test("early stopping is the binomial sum, worked out term by term", function()
  for _, case in ipairs { { 90, 200 }, { 95, 500 }, { 99, 1500 } } do
    local p, n = case[1] / 100, case[2]
    local term, sum, k = p ^ n, 0.0, 0
    while sum + term <= 0.01 do
      sum, k = sum + term, k + 1
      term = term * (n - k + 1) / k * (1 - p) / p
    end
    tap.equal(early_stopping.most_over(case[1], n), k - 1, "p" .. case[1])
  end
end)

-- ---- outliers ----

-- Rosner's 54 values from the NIST handbook, section 1.3.5.17.3.
local ROSNER <const> = {
  -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65,
  1.69, 1.70, 1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24,
  2.26, 2.35, 2.37, 2.40, 2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59,
  3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
}

tap.test("GESD on Rosner's data: three outliers, statistics and limits to three digits", function()
  local found = outliers.gesd(ROSNER)
  tap.equal(found.count, 3)
  local r = { 3.118, 2.942, 3.179, 2.810, 2.815, 2.848, 2.279, 2.310, 2.101, 2.067 }
  local lambda = { 3.158, 3.151, 3.143, 3.136, 3.128, 3.120, 3.111, 3.103, 3.094, 3.085 }
  for i = 1, 10 do
    tap.near(math.abs(found.statistics[i]), r[i], 0.0011, "R" .. i) -- the handbook cuts digits off
    tap.near(found.critical[i], lambda[i], 0.0011, "lambda" .. i)
  end
end)

tap.test("GESD of flat data, of one step aside, of too few", function()
  local flat = {}
  for i = 1, 279 do flat[i] = -1.0 end
  tap.equal(outliers.gesd(flat).count, 0)
  flat[204] = -2.0
  local found = outliers.gesd(flat)
  tap.equal(found.count, 1)
  tap.equal(found.indexes[1], 204)
  tap.equal(outliers.gesd(flat, { robust = true }).count, 0, "the MAD is 0")
  tap.equal(outliers.gesd { 1, 2, 3 }, nil)
end)

local function count_far(values)
  local count = 0
  for _, z in ipairs(outliers.modified_z(values)) do
    if math.abs(z) > outliers.Z_LIMIT then count = count + 1 end
  end
  return count
end

tap.test("modified z-scores count hyperfine's outliers", function()
  local normal = { 2.33269488, 1.42195907, -0.57527698, -0.31293437, 2.2948158, 0.75813273,
                   -1.0712388, -0.96394741, -1.15897446, 1.10976285 }
  tap.equal(count_far {}, 0)
  tap.equal(count_far { 50 }, 0)
  tap.equal(count_far { 1000, 0 }, 0)
  tap.equal(count_far { -0.2, 0, 0.2 }, 0)
  tap.equal(count_far { -0.2, 0, 0.2, 4 }, 1)
  tap.equal(count_far { 0.5, 0.30, 0.29, 0.31, 0.30 }, 1)
  tap.equal(count_far(normal), 0)
  normal[11], normal[12] = 20, -500
  tap.equal(count_far(normal), 2)
  tap.equal(count_far { 10, 10, 10, 10, 10, 10, 10, 100 }, 1, "MAD 0")
  tap.equal(count_far { 10, 10, 10, 10, 10, 10, 10, 100, 100 }, 2, "MAD 0")
end)

tap.test("Tukey's fences: mild and severe", function()
  local found = outliers.tukey { 10, 11, 12, 13, 14, 15, 16, 17, 25, 60 }
  tap.equal(table.concat(found.mild, " "), "9")
  tap.equal(table.concat(found.severe, " "), "10")
end)

-- ---- histogram ----

tap.test("HDR: a stall is put back by the correction", function()
  local raw = histogram.new { highest = 3600 * 1000 * 1000 }
  local corrected = histogram.new { highest = 3600 * 1000 * 1000 }
  for _ = 1, 10000 do
    raw:record(1000)
    corrected:record_corrected(1000, 10000)
  end
  raw:record(100000000)
  corrected:record_corrected(100000000, 10000)
  tap.equal(raw.count, 10001)
  tap.equal(corrected.count, 20000)
  for p, value in pairs { [30] = 1000, [99] = 1000, [99.99] = 1000, [99.999] = 1e8, [100] = 1e8 } do
    tap.near(raw:percentile(p) / value, 1, 0.001, "raw p" .. p)
  end
  for p, value in pairs { [30] = 1000, [50] = 1000, [75] = 5e7, [90] = 8e7, [99] = 9.8e7,
                          [99.999] = 1e8, [100] = 1e8 } do
    tap.near(corrected:percentile(p) / value, 1, 0.001, "corrected p" .. p)
  end
  tap.equal(raw.min, 1000)
  tap.equal(corrected.max, 100000000)
end)

tap.test("HDR: three digits everywhere, sums of histograms, refusals", function()
  local h, other = histogram.new { highest = 1 << 40 }, histogram.new { highest = 1 << 40 }
  local generator, all = random.new(1), {}
  for i = 1, 3000 do
    local value = math.floor(2 ^ (generator:uniform() * 40))
    all[i] = value;
    (i % 2 == 0 and h or other):record(value)
  end
  h:merge(other)
  table.sort(all)
  for _, p in ipairs { 1, 10, 50, 90, 99, 99.9 } do
    tap.near(h:percentile(p) / all[math.ceil(p / 100 * 3000 - 1e-9)], 1, 0.001, "p" .. p)
  end
  tap.equal(h:record(-1), false)
  tap.equal(h:record((1 << 40) + 1), false)
  tap.equal(h.count, 3000)
  tap.equal(histogram.new({ highest = 10 }):percentile(50), nil)
  tap.raises(function() h:merge(histogram.new { highest = 10 }) end, "same highest")
  tap.raises(function() histogram.new { highest = 10, digits = 9 } end, "1..5")
end)

-- ---- ranks ----

tap.test("the smallest p of Mann and Whitney's test by size", function()
  for n, p in pairs { [3] = 0.10, [4] = 0.0286, [5] = 0.00794, [6] = 0.00216, [7] = 0.000583 } do
    local found = ranks.mann_whitney(range(1, n), range(101, 100 + n))
    tap.near(found.p, p, 0.00005, "n " .. n)
    tap.equal(found.p, found.least_p)
    tap.equal(found.method, "exact")
  end
end)

-- Share of all ways to choose n_a of the values with a rank sum as far from its mean.
local function by_enumeration(a, b)
  local all = table.move(b, 1, #b, #a + 1, table.move(a, 1, #a, 1, {}))
  local total, beyond = 0, 0
  local function wins(mask)
    local u = 0
    for i = 1, #all do
      for j = 1, #all do
        if mask & (1 << i) ~= 0 and mask & (1 << j) == 0 and all[i] > all[j] then u = u + 1 end
      end
    end
    return u
  end
  local own = 0
  for i = 1, #a do own = own | (1 << i) end
  local distance = math.abs(wins(own) - #a * #b / 2)
  for mask = 0, (1 << (#all + 1)) - 2, 2 do
    local bits, m = 0, mask
    while m ~= 0 do m, bits = m & (m - 1), bits + 1 end
    if bits == #a then
      total = total + 1
      if math.abs(wins(mask) - #a * #b / 2) >= distance then beyond = beyond + 1 end
    end
  end
  return beyond / total
end

tap.test("exact Mann-Whitney is the enumeration of all splits", function()
  local generator = random.new(4)
  for n_a = 2, 4 do
    for n_b = 2, 4 do
      local a, b = {}, {}
      for i = 1, n_a do a[i] = generator:uniform() end
      for i = 1, n_b do b[i] = generator:uniform() end
      tap.near(ranks.mann_whitney(a, b).p, by_enumeration(a, b), 1e-12)
    end
  end
end)

tap.test("exact signed ranks are the enumeration of all signs", function()
  local generator = random.new(5)
  for n = 1, 9 do
    local differences, own = {}, 0
    for i = 1, n do differences[i] = (i + 0.5) * (generator:uniform() < 0.6 and 1 or -1) end
    for i = 1, n do own = own + (differences[i] > 0 and i or 0) end
    local beyond, middle = 0, n * (n + 1) / 4
    for mask = 0, (1 << n) - 1 do
      local w = 0
      for i = 1, n do w = w + (mask & (1 << (i - 1)) ~= 0 and i or 0) end
      if math.abs(w - middle) >= math.abs(own - middle) then beyond = beyond + 1 end
    end
    tap.near(ranks.signed_rank(differences).p, beyond / (1 << n), 1e-12, "n " .. n)
  end
  tap.near(ranks.signed_rank(range(1, 10)).p, 0.001953125, 0)
end)

tap.test("above the exact sizes the normal form continues them", function()
  local generator, a, b, d = random.new(6), {}, {}, {}
  for i = 1, 21 do a[i], b[i] = generator:normal(), generator:normal() + 0.6 end
  local normal = ranks.mann_whitney(a, b)
  a[21], b[21] = nil, nil
  tap.equal(normal.method, "normal")
  tap.near(math.log(normal.p), math.log(ranks.mann_whitney(a, b).p), 0.7)
  for i = 1, 26 do d[i] = generator:normal() + 0.5 end
  local above = ranks.signed_rank(d)
  d[26] = nil
  tap.equal(above.method, "normal")
  tap.near(math.log(above.p), math.log(ranks.signed_rank(d).p), 0.7)
end)

tap.test("ties and equal samples are no evidence", function()
  tap.equal(ranks.mann_whitney({ 1, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1 }).p, 1)
  tap.equal(ranks.signed_rank({ 0, 0, 0 }).p, 1)
  tap.equal(ranks.signed_rank({ 0, 0, 0 }).n, 0)
  tap.truthy(ranks.mann_whitney({ 1, 2, 2, 3 }, { 2, 2, 3, 4 }).p > 0.3)
  tap.equal(ranks.mann_whitney({}, { 1 }), nil)
end)

tap.test("Hodges and Lehmann: shift, centre, intervals that hold the truth", function()
  local shift = ranks.hodges_lehmann({ 11, 12, 13, 14, 15 }, { 1, 2, 3, 4, 5 })
  tap.equal(shift.estimate, 10)
  tap.truthy(shift.low <= 10 and shift.high >= 10)
  local generator, held = random.new(8), 0
  for _ = 1, 200 do
    local d = {}
    for i = 1, 12 do d[i] = 3 + generator:normal() end
    local center = ranks.pseudo_median(d)
    if center.low <= 3 and 3 <= center.high then held = held + 1 end
  end
  tap.truthy(held >= 180 and held < 200, "held " .. held .. " of 200")
end)

tap.test("no change is a claim with evidence", function()
  local near, far = {}, {}
  for i = 1, 12 do near[i], far[i] = (i - 6.5) / 2000, (i - 6.5) / 50 end
  tap.equal(ranks.equivalent(near, 0.01).same, true)
  tap.equal(ranks.equivalent(far, 0.01).same, false)
  tap.equal(ranks.equivalent({ 0.001, 0.001 }, 0.01).same, false, "two differences prove nothing")
end)

-- ---- several tests ----

tap.test("Holm and Benjamini-Hochberg keep the order of the list", function()
  local p = { 0.01, 0.04, 0.03, 0.005 }
  local holm = multiple.holm(p)
  for i, expected in ipairs { 0.03, 0.06, 0.06, 0.02 } do tap.near(holm[i], expected, 1e-12) end
  local bh = multiple.benjamini_hochberg(p)
  for i, expected in ipairs { 0.02, 0.04, 0.04, 0.02 } do tap.near(bh[i], expected, 1e-12) end
  tap.equal(#multiple.holm {}, 0)
end)

-- ---- bootstrap ----

tap.test("BCa holds the mean of a skewed sample, more often than no correction", function()
  local generator, held, rounds = random.new(9), 0, 120
  for _ = 1, rounds do
    local values = {}
    for i = 1, 25 do values[i] = -math.log(1 - generator:uniform()) end
    local found = bootstrap.bca(values, { statistic = "mean", resamples = 500 })
    if found.low <= 1 and 1 <= found.high then held = held + 1 end
  end
  tap.truthy(held >= 0.86 * rounds, "held " .. held .. " of " .. rounds)
end)

tap.test("a seed repeats; equal values have no width; nothing of nothing", function()
  local values = { 9.1, 9.9, 10.2, 10.4, 10.6, 11.3, 12.0 }
  local a = bootstrap.bca(values, { resamples = 300 })
  local b = bootstrap.bca(values, { resamples = 300 })
  tap.equal(a.low, b.low)
  tap.equal(a.high, b.high)
  tap.truthy(a.low <= a.estimate and a.estimate <= a.high)
  local flat = bootstrap.bca({ 7, 7, 7 }, { resamples = 50 })
  tap.equal(flat.low, 7)
  tap.equal(flat.high, 7)
  tap.equal(bootstrap.bca {}, nil)
  tap.raises(function() bootstrap.bca({ 1 }, { statistic = "mode" }) end, "percentile")
end)

tap.test("paired ratios and two levels", function()
  local ratio = bootstrap.paired_ratio({ 2, 4, 6 }, { 1, 2, 3 }, { resamples = 100 })
  tap.near(ratio.estimate, 2, 1e-12)
  tap.equal(bootstrap.paired_ratio({ 1 }, { 0 }), nil)
  tap.equal(bootstrap.paired_ratio({ 1 }, { 1, 2 }), nil)
  -- Runs differ, samples within them hardly: the interval is that of the runs.
  local runs, flat = {}, {}
  for i = 1, 8 do
    runs[i] = {}
    for j = 1, 20 do
      runs[i][j] = 100 + i + j / 1000
      flat[#flat + 1] = runs[i][j]
    end
  end
  local nested = bootstrap.hierarchical(runs, { resamples = 400 })
  local pooled = bootstrap.bca(flat, { resamples = 400 })
  tap.truthy(nested.high - nested.low > pooled.high - pooled.low, "wider than pooled samples")
  local same = bootstrap.hierarchical_ratio(runs, runs, { resamples = 200 })
  tap.truthy(same.low < 1 and 1 < same.high)
  tap.equal(bootstrap.hierarchical { {} }, nil)
end)

tap.done()

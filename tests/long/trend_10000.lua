--- Long form, run by hand: woolly-lua tests/long/trend_10000.lua [RUNS] [METRICS]
--- Trend analysis of a large store: under 2 s and 200 MB for 10,000 runs of 20 metrics.
local clock = require "woolly.clock"
local json = require "woolly.json"
local metrics = require "woolly.metrics"
local process = require "woolly.process"
local random = require "woolly.stats.random"
local store = require "woolly.store"

local runs, n_metrics = tonumber(arg[1] or 10000), tonumber(arg[2] or 20)
local MOST_S <const>, MOST_MB <const>, SAMPLES <const> = 2, 200, 5

local folder = (process.env "TMPDIR" or "/tmp") .. "/woolly-trend-" .. process.pid()
assert(process.make_folders(folder))
local path = folder .. "/woolly.db"
local _ <close> = setmetatable({}, { __close = function()
  for _, name in ipairs(process.list_folder(folder) or {}) do os.remove(folder .. "/" .. name) end
  os.remove(folder)
end })

local function fill()
  local kept <close> = assert(store.open(path))
  local generator = random.new(1)
  for i = 1, runs do
    local list = json.array {}
    for k = 1, n_metrics do
      local samples = json.array {}
      local level = k <= 3 and i > runs - 30 and 90 or 100
      for s = 1, SAMPLES do
        samples[s] = level * math.exp(0.04 * (generator:uniform() + generator:uniform() - 1))
      end
      list[k] = { name = metrics.order[k], unit = "", better = "higher", n = SAMPLES,
                  samples = samples }
    end
    assert(kept:save {
      schema = "woolly-report/1", status = 0, metrics = list,
      run = { id = store.new_id(), scenario = "quick", target = "native", preset = "p1",
              started = clock.utc((1700000000 + i * 3600) * 1000000000), switches = {},
              params = {}, seed = 1, tags = {}, status = "complete" },
      machine = { fingerprint = "0123456789abcdef" },
    })
  end
end

-- Peak memory by GNU time, where it is installed; CPU seconds by the shell.
local SHELL <const> = [[
  exe=$(readlink /proc/$PPID/exe)
  time=$(command -v /usr/bin/time || true)
  ${time:+$time -o "$2/peak" -f %M} "$exe" trend_analysis.lua --store "$1" \
    --json "$2/found" >/dev/null
  times; cat "$2/peak" 2>/dev/null || true]]

fill()
local start = clock.now_ns()
local result = assert(process.run { "sh", "-c", SHELL, "sh", path, folder })
local seconds = (clock.now_ns() - start) / 1e9
-- Two lines of times, this shell's and its children's; then kilobytes.
local minutes, rest = result.out:match("^[^\n]*\n(%d+)m([%d.]+)s")
local kilobytes = result.out:match("\n(%d+)%s*$")
local cpu = tonumber(minutes) * 60 + tonumber(rest)
local megabytes = tonumber(kilobytes) and tonumber(kilobytes) / 1e3
io.write(string.format("%d runs of %d metrics: %.2f s, %.2f s of a processor (at most %g), %s MB "
  .. "(at most %g)\n", runs, n_metrics, seconds, cpu, MOST_S,
  megabytes and string.format("%.0f", megabytes) or "unknown", MOST_MB))
local found = json.decode(assert(process.read_file(folder .. "/found")))
for _, trend in ipairs(found.groups[1].trends) do
  local point = trend.points[#trend.points]
  if point and point.in_window then
    io.write(string.format("  %s: %s, %d runs ago\n", trend.metric, point.vote, point.age))
  end
end
-- The processor's seconds: what else runs on a machine is not the program's doing.
return cpu <= MOST_S and (not megabytes or megabytes <= MOST_MB) and 0 or 1

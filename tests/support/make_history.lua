--- Run by the program itself: makes a history of a store out of its newest run.
--- arg: store, runs, factor of every rate (times become 1 / factor), noise, days between runs,
---      first run that has factor 2, factor 2
local report = require "woolly.report.json"
local json = require "woolly.json"
local metrics = require "woolly.metrics"
local store = require "woolly.store"

local path, runs, factor, noise, days = arg[1], tonumber(arg[2]), tonumber(arg[3]),
  tonumber(arg[4]), tonumber(arg[5])
local step_at, step = tonumber(arg[6] or "0"), tonumber(arg[7] or "1")

local state = 12345
local function wobble() -- about normal, always the same
  local sum = 0
  for _ = 1, 4 do
    state = (state * 1103515245 + 12345) % (1 << 31)
    sum = sum + state / (1 << 31) - 0.5
  end
  return math.exp(noise * sum * math.sqrt(3))
end

local kept <close> = assert(store.open(path))
local text = json.encode(assert(kept:report("last")))
local first_s = os.time() - runs * days * 86400
for i = 1, runs do
  local document = json.decode(text)
  document.run.id = store.new_id()
  document.run.started = os.date("!%Y-%m-%dT%H:%M:%S.000Z", math.floor(first_s + i * days * 86400))
  local by = factor * wobble() * (step_at > 0 and i >= step_at and step or 1)
  for _, entry in ipairs(document.metrics) do
    local metric = metrics.all[entry.name]
    if not metric.exact then
      for k, value in ipairs(entry.samples) do
        entry.samples[k] = metric.better == "lower" and value / by or value * by
      end
    end
    entry.median, entry.low, entry.high = nil, nil, nil
  end
  assert(kept:save(report.for_json(report.from_json(document, json.null), json)))
end

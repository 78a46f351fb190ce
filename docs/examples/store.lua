-- woolly-lua docs/examples/store.lua: kept runs, with all their samples.
local json  = require "woolly.json"
local store = require "woolly.store"

local path = os.tmpname()
os.remove(path)
local kept <close> = assert(store.open(path)) -- woolly.db is the one of the working folder
assert(kept:path() == path)

-- What the runner saves is the report, docs/report-schema.json. Here three small ones.
for i = 1, 3 do
  assert(kept:save {
    schema = "woolly-report/1", status = 0,
    run = { id = store.new_id(), scenario = "quick", target = "native", preset = "p3", tags = {},
            started = "2026-01-0" .. i .. "T00:00:00.000Z", status = "complete" },
    machine = { fingerprint = "00112233445566aa" }, model = json.null, gate = json.null,
    metrics = json.array { { name = "tokens_per_second", unit = "tokens/s", better = "higher",
                             n = 3, samples = json.array { 40 + i, 41 + i, 39 + i } } },
  })
end

-- Newest first; filters by scenario, machine, model, target, preset.
for _, row in ipairs(assert(kept:list { scenario = "quick", limit = 2 })) do
  print(row.started, row.scenario, row.status) --> 2026-01-03T00:00:00.000Z	quick	complete
end

-- Names and labels of runs.
assert(kept:pin("release-1", "last"))
assert(kept:tag("release-1", "note", "the one we shipped"))
print(assert(kept:tags "no")[1].value) --> the one we shipped

-- The whole report of one, and the medians of a metric over all, oldest first.
local report = assert(kept:report "release-1")
print("samples", table.concat(report.metrics[1].samples, " ")) --> samples	43 44 42
local history = assert(kept:history { metric = "tokens_per_second" })
print("medians", table.concat(history.series.tokens_per_second.value, " ")) --> 41.0 42.0 43.0

kept:close()
for _, ending in ipairs { "", "-wal", "-shm" } do os.remove(path .. ending) end

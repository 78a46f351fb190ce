-- woolly.store: reports as tables into a file and back.
local tap     = require "tap"
local json    = require "woolly.json"
local process = require "woolly.process"
local store   = require "woolly.store"

local folder = os.tmpname()
os.remove(folder)
assert(process.make_folders(folder))
local n_files = 0

local function fresh()
  n_files = n_files + 1
  return string.format("%s/%d.db", folder, n_files)
end

-- A report with everything in it.
local function report(id, change)
  local r = {
    schema = "woolly-report/1",
    run = { id = id or store.new_id(), scenario = "quick", started = "2026-01-02T03:04:05.678Z",
            target = "native", preset = "p1", switches = { simd = true }, seed = 42,
            commit = "0123456789ab", dirty = true, tags = { branch = "main" },
            status = "complete" },
    machine = { fingerprint = "00112233445566aa", cpu = "some" },
    model = { name = "tiny", sha256 = ("ab"):rep(32), arch = "llama", type = "F32", bytes = 10 },
    metrics = json.array {
      { name = "tokens_per_second", unit = "tokens/s", better = "higher", n = 3,
        samples = json.array { 41.8, 0.1 + 0.2, 1 / 3 } },
      { name = "cache_miss_ratio", unit = "", better = "lower", n = 0, samples = json.array {},
        reason = "no hardware counters" },
    },
    gate = { name = "phase1", title = "Phase 1", verdict = "missing", limits = json.array {
      { metric = "tokens_per_second", bound = "min", limit = 0.1, stat = "median",
        verdict = "pass" },
      { metric = "cache_miss_ratio", bound = "max", limit = 0.2, stat = "median",
        verdict = "missing", reason = "no hardware counters" } } },
    status = 2,
  }
  if change then change(r) end
  return r
end

local function refused(part, code, value, message, found)
  tap.equal(value, nil)
  tap.contains(message, part)
  tap.equal(found, code)
end

tap.test("a report comes back as it went in", function()
  local path = fresh()
  local s <close> = assert(store.open("sqlite:" .. path))
  tap.equal(s:path(), path)
  local r = report()
  tap.equal(s:save(r), r.run.id)
  tap.equal(json.encode(s:report(r.run.id)), json.encode(r))
  tap.equal(s:save(r), r.run.id) -- once more changes nothing
  tap.equal(#s:list(), 1)
end)

tap.test("what a report may leave out is left out", function()
  local s <close> = assert(store.open(fresh()))
  local r = report(nil, function(r)
    r.model, r.gate, r.run.preset, r.run.switches = json.null, json.null, json.null, json.null
    r.run.commit, r.run.tags, r.run.dirty, r.metrics = nil, {}, nil, json.array {}
  end)
  tap.equal(assert(s:save(r)), r.run.id)
  local row = s:list()[1]
  tap.equal(row.preset, nil)
  tap.equal(row.verdict, nil)
  tap.equal(row.model_name, nil)
  tap.equal(s:report("last").model, json.null)
end)

tap.test("rows carry the facts, newest first, and filters choose", function()
  local s <close> = assert(store.open(fresh()))
  local first, second = report(), report(nil, function(r)
    r.run.scenario, r.run.preset, r.run.target = "baseline", "p0", "null"
    r.run.status, r.status = "partial", 130
    r.machine.fingerprint, r.model.sha256 = "ffff", ("cd"):rep(32)
  end)
  assert(s:save(first))
  assert(s:save(second))
  local rows = s:list()
  tap.equal(#rows, 2)
  tap.equal(rows[1].id, second.run.id)
  local row = rows[2]
  tap.equal(row.scenario, "quick")
  tap.equal(row.target, "native")
  tap.equal(row.preset, "p1")
  tap.equal(row.commit, "0123456789ab")
  tap.equal(row.status, "complete")
  tap.equal(row.verdict, "missing")
  tap.equal(row.machine, "00112233445566aa")
  tap.equal(row.model_name, "tiny")
  tap.equal(row.started, "2026-01-02T03:04:05.678Z")
  tap.equal(row.exit_status, 2)
  for key, value in pairs { scenario = "baseline", preset = "p0", target = "null",
                            machine = "ffff", model = ("cd"):rep(32) } do
    local found = s:list { [key] = value }
    tap.equal(#found, 1, key)
    tap.equal(found[1].id, second.run.id, key)
  end
  tap.equal(#s:list { limit = 1 }, 1)
  tap.equal(#s:list { scenario = "absent" }, 0)
  tap.raises(function() s:list { scenarios = "quick" } end, "did you mean 'scenario'")
end)

tap.test("a history holds runs in the order of saving and the median of each metric", function()
  local s <close> = assert(store.open(fresh()))
  tap.equal(#s:history().rows, 0)
  assert(s:save(report()))
  assert(s:save(report(nil, function(r)
    r.run.started, r.run.params = "2020-01-01T00:00:00.000Z", { n_tokens = 8, a = true }
    r.run.tags.params = "lost"
    r.metrics[1].samples = json.array { 1, 2, 10, 4 }
    r.metrics[2].samples, r.metrics[2].n = json.array { 0.5 }, 1
  end)))
  assert(s:save(report(nil, function(r) r.run.status = "partial" end)))
  local found = s:history { scenario = "quick", limit = 10 }
  tap.equal(#found.rows, 2)
  tap.equal(found.rows[1].params, nil)
  tap.equal(found.rows[2].params, '{"a":true,"n_tokens":8}')
  tap.equal(found.rows[1].switches, '{"simd":true}')
  tap.equal(found.rows[1].model, ("ab"):rep(32))
  tap.truthy(found.rows[1].seq < found.rows[2].seq, "order of saving")
  tap.truthy(found.rows[1].started_s > found.rows[2].started_s, "not of the clock")
  local tps, misses = found.series.tokens_per_second, found.series.cache_miss_ratio
  tap.equal(table.concat(tps.at, " "), "1 2")
  tap.equal(tps.value[1], 1 / 3)
  tap.equal(tps.value[2], 3.0)
  tap.equal(table.concat(misses.at, " "), "2")
  tap.equal(next(s:history { metric = "cache_miss_ratio" }.series), "cache_miss_ratio")
  tap.equal(#s:history { metric = "cache_miss_ratio" }.rows, 2) -- one says why it is missing
  tap.equal(#s:history { metric = "improvement_factor" }.rows, 0)
  tap.equal(s:history { limit = 1 }.rows[1].id, found.rows[2].id)
  tap.raises(function() s:history { metrics = "x" } end, "did you mean 'metric'")
  tap.raises(function() s:list { metric = "x" } end, "unknown option 'metric'")
end)

tap.test("runs are found by id, prefix, pin and last", function()
  local s <close> = assert(store.open(fresh()))
  assert(s:save(report("01ABCDEFGHJKMNPQRSTVWXYZ00")))
  assert(s:save(report("01ABCDEFGHJKMNPQRSTVWXYZ11")))
  tap.equal(s:report("last").run.id, "01ABCDEFGHJKMNPQRSTVWXYZ11")
  tap.equal(s:report("01abcdefghjkmnpqrstvwxyz0").run.id, "01ABCDEFGHJKMNPQRSTVWXYZ00")
  refused("more than one", "input", s:report("01ABCD"))
  refused("there is none", "input", s:report("01XX"))
  tap.equal(s:pin("release-1", "01ABCDEFGHJKMNPQRSTVWXYZ00"), true)
  tap.equal(s:report("release-1").run.id, "01ABCDEFGHJKMNPQRSTVWXYZ00")
  refused("there is none", "input", s:pin("other", "absent"))
  tap.equal(s:tag("last", "note", "kept"), true)
  refused("there is none", "input", s:tag("absent", "note", "kept"))
  tap.equal(s:tag("release-1", "note/2", "%"), true)
  local tags = s:tags "note"
  tap.equal(#tags, 2)
  tap.equal(tags[1].id .. tags[1].key .. tags[1].value, "01ABCDEFGHJKMNPQRSTVWXYZ00note/2%")
  tap.equal(tags[2].key, "note")
  tap.truthy(tags[1].seq < tags[2].seq, "order of saving")
  tap.equal(#s:tags "note_", 0, "no letter is a wildcard")
  tap.raises(function() s:tag("last", "a\0b", "c") end, "NUL byte")
end)

tap.test("ids sort in the order they were made", function()
  local last = ""
  for _ = 1, 1000 do
    local id = store.new_id()
    tap.equal(#id, 26)
    tap.truthy(id > last, id)
    last = id
  end
end)

tap.test("a report with something missing or wrong raises and saves nothing", function()
  local s <close> = assert(store.open(fresh()))
  local function raises(part, change)
    tap.raises(function() s:save(report(nil, change)) end, part)
  end
  raises("run is a nil", function(r) r.run = nil end)
  raises("id is a nil", function(r) r.run.id = nil end)
  raises("scenario is a number", function(r) r.run.scenario = 1 end)
  raises("started", function(r) r.run.started = "yesterday" end)
  raises("1970 to 2261", function(r) r.run.started = "9999-01-02T03:04:05.678Z" end)
  raises("1970 to 2261", function(r) r.run.started = "1969-01-02T03:04:05.678Z" end)
  raises("fingerprint", function(r) r.machine.fingerprint = nil end)
  raises("metrics is a string", function(r) r.metrics = "many" end)
  raises("metrics[1] is a number", function(r) r.metrics[1] = 1 end)
  raises("finite number", function(r) r.metrics[1].samples[2] = 0 / 0 end)
  raises("a number is required", function(r) r.metrics[1].samples[2] = "41" end)
  raises("gate.limits[2]", function(r) r.gate.limits[2] = true end)
  raises("keys and values are strings", function(r) r.run.tags.n = 1 end)
  raises("NUL byte", function(r) r.metrics[1].name = "a\0b" end)
  raises("no JSON", function(r) r.extra = print end)
  tap.raises(function() s:save(1) end, "table expected")
  tap.equal(#s:list(), 0)
  assert(s:save(report()))
  tap.equal(#s:list(), 1)
end)

tap.test("a refusal of the file comes with its reason", function()
  refused("no such file", "input", store.open(fresh(), { read_only = true }))
  refused("no regular file", "input", store.open(folder))
  refused("allowed are PATH", "input", store.open("postgres://host/db"))
  refused("no file name", "input", store.open(""))
  local path = fresh()
  assert(process.write_file(path, "not a database, whatever its name says\n"))
  refused("too short", "input", store.open(path))
  assert(process.write_file(path, ("not a database\n"):rep(1000)))
  refused("no SQLite file", "input", store.open(path))
  tap.equal(#process.read_file(path), 15000)
  tap.raises(function() store.open("a\0b") end, "NUL byte")
  tap.raises(function() store.open(path, { readonly = true }) end, "did you mean 'read_only'")
end)

tap.test("a run that cannot be written is kept in a file of its own", function()
  local path = fresh()
  do
    local made <close> = assert(store.open(path))
    tap.equal(#made:list(), 0)
  end
  local s <close> = assert(store.open(path, { read_only = true }))
  local r = report()
  refused("The run is kept as " .. path .. ".spool-" .. r.run.id, "environment", s:save(r))
  local text = process.read_file(path .. ".spool-" .. r.run.id)
  tap.equal(json.encode(json.decode(text)), json.encode(r))
end)

tap.test("a closed store refuses everything, and closes again", function()
  local s = assert(store.open(fresh()))
  s:close()
  s:close()
  for _, method in ipairs { "save", "list", "history", "tags", "report", "pin", "tag", "path" } do
    tap.raises(function() s[method](s, "a", "b", "c") end, "store is closed")
  end
  tap.raises(function() s.save(io.stdout, {}) end, "woolly.store.Store expected")
end)

tap.test("a large run is kept whole", function()
  local s <close> = assert(store.open(fresh()))
  local r = report(nil, function(r)
    for i = 1, 20000 do r.metrics[1].samples[i] = i / 7 end
    r.notes = json.array { ("long "):rep(40000) }
    for i = 1, 500 do
      r.metrics[i + 2] = { name = "m" .. i, unit = "s", better = "lower", n = 1,
                           samples = json.array { i } }
    end
  end)
  assert(s:save(r))
  local back = assert(s:report(r.run.id))
  tap.equal(#back.metrics, 502)
  tap.equal(back.metrics[1].samples[19999], 19999 / 7)
  tap.equal(#back.notes[1], 200000)
end)

for _, name in ipairs(assert(process.list_folder(folder))) do os.remove(folder .. "/" .. name) end
os.remove(folder)
tap.done()

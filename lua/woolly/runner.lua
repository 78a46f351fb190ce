--- Runs a scenario or a phase: everything that can be refused is refused first, then it sets up,
--- checks, measures, judges, reports and keeps. No Lua of ours runs inside a timed window.
local compare  = require "woolly.compare"
local failure  = require "woolly.failure"
local gate     = require "woolly.gate"
local judging  = require "woolly.judging"
local models   = require "woolly.models"
local noise    = require "woolly.noise"
local outputs  = require "woolly.outputs"
local progress = require "woolly.progress"
local quality  = require "woolly.quality"
local recorder = require "woolly.recorder"
local report   = require "woolly.report.json"
local roofs    = require "woolly.roofs"
local session  = require "woolly.session"
local suggest  = require "woolly.suggest"
local terminal = require "woolly.terminal"
local text     = require "woolly.report.text"

local runner = {}

local MOST_LOOKS <const> = 3 -- an undecided limit gets as many repetitions again, and again
local MOST_REPEATS <const> = 2 -- of one disturbed repetition

-- ---- measuring ----

--- Ends what setup opened: `close` of the state or of each thing in it, models excepted.
local function close_state(state)
  if type(state) ~= "table" then return end
  local mt = getmetatable(state)
  if mt and mt.__close then return mt.__close(state) end
  for _, thing in pairs(state) do
    local kind = type(thing)
    if (kind == "table" or kind == "userdata") and not session.owns(thing) then
      local ok, close = pcall(function() return thing.close end)
      if ok and type(close) == "function" then pcall(close, thing) end
    end
  end
end

local function at_end(f)
  return setmetatable({}, { __close = f })
end

-- No collection inside a measure call; what it left is collected between calls.
local function measure_once(run, test, m, state)
  local counters = require "woolly.counters"
  collectgarbage("stop")
  local before = counters.noise()
  local ok, message = pcall(test.scenario.measure, m, state, test.p)
  local found = noise.between(before, counters.noise(), run.surroundings)
  collectgarbage("restart")
  if not ok then error(message, 0) end
  found.test = test.name
  return found
end

-- A disturbed repetition is repeated while that costs less than half of all repetitions did; both
-- stay in the report. The last try counts, disturbed or not.
local function measure_undisturbed(run, test, m, state)
  for try = 0, MOST_REPEATS do
    local found = measure_once(run, test, m, state)
    local affordable = try < MOST_REPEATS and not test.p.duration
      and run.repeat_ns + found.wall_ns < run.measure_ns / 2
    local again = found.disturbed and affordable and not m.warmup
    run.measure_ns = run.measure_ns + found.wall_ns
    if not m.warmup then run.repetitions[#run.repetitions + 1] = found end
    if not again then
      found.index = not m.warmup and m.index or nil
      m:commit()
      collectgarbage()
      return
    end
    run.repeat_ns = run.repeat_ns + found.wall_ns
    found.samples = m:take_out()
    collectgarbage()
  end
end

--- Is a limit of the gate that this test decides still open, and can `factor` times the samples so
--- far settle it?
local function undecided(plan, test, m, factor)
  if not plan.gate then return false end
  local own = {}
  for _, name in ipairs(test.scenario.metrics or {}) do own[name] = true end
  local part = judging.part(plan.gate.gate, function(name)
    return own[name] and #((m.measured[name] or {}).samples or {}) > 0
  end)
  for _, limit in ipairs(gate.judge(part, m.measured).limits) do
    local enough = limit.n * factor >= gate.needed(limit.stat)
    if limit.verdict == "inconclusive" and enough then return true end
  end
  return false
end

local function repeat_measure(plan, run, test, m, state)
  local clock = require "woolly.clock"
  local runs, warmup = test.p.n_runs, test.p.warmup
  local begun_ns = clock.now_ns()
  local until_ns = test.p.duration and begun_ns + test.p.duration * 1e9
  local line = progress.new { quiet = plan.values.quiet, store = plan.store }
  local function step(index, total)
    local what = index <= warmup and string.format("warm-up %d of %d", index, warmup)
      or until_ns and string.format("run %d", index - warmup)
      or string.format("run %d of %d", index - warmup, total - warmup)
    -- With a duration it ends when both the time and the runs have passed.
    local share = math.min((index - 1) / total,
                           until_ns and (clock.now_ns() - begun_ns) / (until_ns - begun_ns) or 1)
    line:share(string.format("%s  %s%s", test.name, what,
                             terminal.so_far(test.scenario.metrics, m.measured)), share, 1)
    m.warmup, m.index = index <= warmup, math.max(0, index - warmup)
    measure_undisturbed(run, test, m, state)
  end
  local _ <close> = at_end(function() line:clear() end)
  for index = 1, warmup + runs do step(index, warmup + runs) end
  while until_ns and clock.now_ns() < until_ns do
    runs = runs + 1
    step(warmup + runs, warmup + runs - 1)
  end
  if until_ns or plan.given.runs then return end
  -- Planned looks at one, two and three times the runs: a verdict is never the best of many.
  local each, looks = runs, 1
  while looks < MOST_LOOKS and undecided(plan, test, m, MOST_LOOKS / looks) do
    for _ = 1, each do
      runs = runs + 1
      step(warmup + runs, warmup + each * MOST_LOOKS)
    end
    looks = looks + 1
    m:looked(test.scenario.metrics or {}, looks)
  end
end

-- One test: its samples, checks and notes go into `run`.
local function run_test(plan, run, test)
  local scenario, p, m = test.scenario, test.p, run.recorder
  local state
  local _ <close> = at_end(function() close_state(state) end)
  if scenario.setup then state = scenario.setup(p) end
  if scenario.check then scenario.check(run.check, state, p) end
  repeat_measure(plan, run, test, m, state)
  m.warmup, m.index = false, 0
  if scenario.finish then
    scenario.finish(m, state, p)
    m:commit()
  end
  m:expect(scenario.metrics or {})
  if scenario.notes then
    for _, note in ipairs(scenario.notes(state, p)) do run.notes[#run.notes + 1] = note end
  end
  for name, rows in pairs(scenario.tables and scenario.tables(state, p) or {}) do
    run.tables[name] = rows
  end
end

local function run_tests(plan, run)
  local counters = require "woolly.counters"
  local before = counters.noise()
  for _, test in ipairs(plan.tests) do run_test(plan, run, test) end
  run.facts.disturbed = noise.between(before, counters.noise(), run.surroundings).disturbed
  for _, metric in ipairs(suggest.keys(plan.unit.missing or {})) do
    run.recorder:missing(metric, plan.unit.missing[metric])
  end
  roofs.settle(run.recorder, plan.values.quiet)
  local model = session.main_model()
  if model and not model:unchanged() then
    failure.raise(string.format("model: %s: the file changed while it was measured. Run again",
                                model:info().path), "environment")
  end
end

-- ---- what is known about a run ----

local function git(...)
  local result = require("woolly.process").run { "git", ... }
  return result and result.status == 0 and result.out:gsub("%s+$", "") or nil
end

--- The engine's switches as the report echoes them.
local function switches_of(plan)
  if not session.is_embedded(plan.values.target) or plan.model == false then return nil end
  local switches = failure.must(require("woolly.engine").preset(plan.values.preset))
  for key, value in pairs(plan.switches) do switches[key] = value end
  if plan.values.threads then switches.threads = plan.values.threads[1] end
  switches.faults = plan.values.faults
  return switches
end

local function describe_model()
  local model = session.main_model()
  if not model then return nil end
  local info = model:info()
  return { name = info.name, sha256 = (model:sha256()), arch = info.arch, type = info.type,
           bytes = info.file_bytes, n_params = info.n_params, n_layer = info.n_layer,
           n_embd = info.n_embd, n_vocab = info.n_vocab }
end

local function describe_machine()
  local machine, build = require("woolly.machine").info(), require("woolly.engine").build_info()
  machine.compiler, machine.build_flags, machine.build_type = build.compiler, build.flags,
    build.build_type
  return machine
end

--- Do other processes work for the run, a server say? What keeps CPUs busy is then no disturbance.
local function has_helpers(plan)
  for _, test in ipairs(plan.tests) do
    if test.scenario.helpers then return true end
  end
  return not session.is_embedded(plan.values.target)
end

local function begin(plan)
  local clock, store = require "woolly.clock", require "woolly.store"
  local commit = git("rev-parse", "--short=12", "HEAD")
  return {
    recorder = recorder.new(), check = recorder.check(), notes = {}, tables = {},
    repetitions = {}, measure_ns = 0, repeat_ns = 0,
    surroundings = { n_cpus = require("woolly.machine").info().n_online or 1,
                     has_helpers = has_helpers(plan) },
    facts = {
      id = store.new_id(), scenario = plan.name, title = plan.unit.title or plan.unit.about,
      started = clock.utc(), target = plan.values.target,
      preset = session.is_embedded(plan.values.target) and plan.model ~= false
        and plan.values.preset or nil,
      switches = switches_of(plan), seed = plan.values.seed, commit = commit,
      dirty = commit and git("status", "--porcelain", "--untracked-files=no") ~= "" or false,
      tags = plan.values.tag or {}, params = plan.params, status = "complete",
    },
  }
end

-- ---- the end of a run ----

--- Why it stopped early: message and exit status.
local function ending(value, reason, seconds)
  local process = require "woolly.process"
  local code = failure.is(value) and value.code
  if reason == "interrupted" or code == "cancelled" and process.interrupted() then
    process.interrupted() -- acknowledged: the report is still to be written
    return "interrupted", 128 + (process.signal() or 2)
  elseif reason == "timeout" or code == "cancelled" then
    return string.format("stopped after %g s (--timeout)", seconds or 0), 3
  elseif reason == "memory" then
    return "out of memory: --memory-mb N in front of the script's name raises the cap", 4
  end
  return failure.describe(value)
end

local function write_json(path, document)
  local json, process = require "woolly.json", require "woolly.process"
  local encoded = json.encode(report.for_json(document, json), { indent = true })
  failure.must(process.write_file(path, encoded .. "\n"))
end

local function save(keep, document)
  if not keep then return nil end
  local json = require "woolly.json"
  failure.must(keep:save(report.for_json(document, json)))
  return keep:path()
end

-- With it a figure that cannot be is our bug: for tests of the program itself.
local function strict()
  return require("woolly.process").env "WOOLLY_STRICT" == "1"
end

--- Judges, keeps and prints. Returns the exit status.
local function conclude(plan, run, keep, early_status)
  local values = plan.values
  run.facts.status = early_status and early_status ~= 1 and "partial" or "complete"
  for _, name in ipairs(run.recorder.order) do
    for _, note in ipairs(quality.notes(name, run.recorder.measured[name].samples)) do
      run.notes[#run.notes + 1] = note
    end
  end
  local document = report.build(run.facts, {
    machine = describe_machine(), model = describe_model(),
    order = run.recorder.order, measured = run.recorder.measured, checks = run.check.lines,
    notes = run.notes, tables = next(run.tables) and run.tables,
    repetitions = run.repetitions, status = 0,
  })
  if plan.gate then
    judging.apply(document, plan.gate.name, plan.gate.gate, plan.gate.left_out)
  end
  local status = early_status or judging.status(document)
  local lines, why_not
  if plan.baseline then
    why_not = compare.refusal(document, plan.baseline)
    lines = not why_not and compare.run(document, plan.baseline) or nil
    local found = lines and compare.status(lines) or 2
    if status == 0 or found == 1 and status == 2 then status = found end
  end
  if strict() and #report.refused(document) > 0 then status = 5 end
  document.status = status
  local kept = save(keep, document)
  for _, path in ipairs { values.json or false, values.save or false } do
    if path then write_json(path, document) end
  end
  local against
  if values.baseline and not early_status then
    local found
    against, found = require("woolly.baselines").check(keep, document, values.baseline,
                                                       values.store)
    if status == 0 or found == 1 and status == 2 then status = found end
  end
  local compared = plan.baseline
    and { name = values.compare, lines = lines, reason = why_not } or nil
  if outputs.write(values, document, compared) or values.json == "-" then return status end
  io.write(text.render(document, terminal.options(values, keep, document, kept)))
  if plan.gate and plan.is_part then
    io.write(string.format("gate %s is about other tests too: %s.lua runs them all\n",
                           plan.gate.name, plan.gate.name))
  end
  if plan.baseline then
    io.write("compared with ", values.compare, why_not and ": cannot: " .. why_not .. "\n" or "\n",
             lines and compare.render(lines) or "")
  end
  if against then io.write(require("woolly.common").lines(against), "\n") end
  return status
end

-- Statistics in C from here on: the same numbers, sooner.
local function accelerate()
  require("woolly.stats").accelerate(require "woolly.numeric")
end

--- Measures by a plan (see plan.lua).
---@param plan woolly.Plan
---@return integer status
---@return string? message    why it ended early
---@return boolean? reported  it ended early, and what was measured is in the report
function runner.run(plan)
  local process = require "woolly.process"
  accelerate()
  local keep = plan.store and failure.must(require("woolly.store").open(plan.store)) or nil
  local _ <close> = at_end(function()
    session.close()
    if keep then keep:close() end
  end)
  local run
  local ok, value, reason = process.guard(function()
    if plan.values.timeout then process.deadline(plan.values.timeout) end
    if plan.model then
      local path = models.resolve(plan.model, plan.values.quiet)
      for _, test in ipairs(plan.tests) do test.p.model = path end
    end
    run = begin(plan)
    run_tests(plan, run)
  end)
  process.deadline(0)
  collectgarbage("restart")
  if ok then return conclude(plan, run, keep, nil) end
  local message, status = ending(value, reason, plan.values.timeout)
  local anything = run and (#run.recorder.order > 0 or #run.check.lines > 0) or false
  if anything then conclude(plan, run, keep, status) end
  return status, message, anything
end

return runner

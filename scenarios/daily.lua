local child = require "woolly.child"
local clock = require "woolly.clock"
local common = require "woolly.common"
local files = require "woolly.files"
local json = require "woolly.json"
local process = require "woolly.process"
local woolly = require "woolly"

local SMOKE_S <const> = 60 -- as the plan has it
local MEASURING <const> = { "model", "preset", "switches", "threads", "target", "faults", "runs" }

local WORDS <const> = { [0] = "passed", "FAILED", "cannot judge", "bad input", "environment",
                        "bug" }

--- "woolly.db" -> where the lock and the state of the daily check of that store lie.
local function paths(url)
  local base = url:match("^postgres") and "woolly" or url:gsub("^sqlite:", "")
  return base .. ".daily-lock", base .. ".daily.json"
end

local function read_state(path)
  local text = process.exists(path) and process.read_file(path)
  local state = text and json.decode(text, path)
  return type(state) == "table" and state or {}
end

local function write_state(path, state)
  woolly.must(process.write_file(path, json.encode(state) .. "\n"))
end

--- The scripts in their order, each with its words; a reason where it is left out.
local function steps_of(p)
  local measuring = child.options(p, MEASURING)
  local store = "--store=" .. p.store
  local function words(script, ...)
    return table.move({ ... }, 1, select("#", ...), 2, { script .. ".lua" })
  end
  local smoke = words("smoke", store, "--quiet", "--timeout=" .. SMOKE_S, "--tag=purpose=daily")
  local regression = words("regression", store, "--quiet", "--baseline=" .. p.baseline,
                           "--scenario=" .. p.scenario, table.unpack(measuring))
  local warn = words("alerts", store, "--rules=" .. p.rules, table.unpack(child.options(
    { file = p.alert_file, webhook = p.webhook, form = p.form }, { "file", "webhook", "form" })))
  local steps = { { name = "smoke", words = smoke },
                  { name = "regression", words = regression, measures = true },
                  { name = "trend", words = words("trend_analysis", store,
                                                  "--window=" .. p.window) },
                  { name = "alerts", words = warn } }
  local found = pcall(files.script, "dashboard.lua")
  steps[5] = { name = "dashboard", words = words("dashboard", store, "--output=" .. p.output),
               left_out = not found and "there is no dashboard.lua here" or nil }
  return steps
end

local function last_line(text) return text:match("([^\n]+)\n*$") or "" end

local function show(p, text)
  if p.json ~= "-" then io.write(text, "\n") end
  io.stdout:flush()
end

local function run_step(p, step)
  if step.left_out then
    show(p, string.format("== %s: left out: %s", step.name, step.left_out))
    return
  end
  local start = clock.now_ns()
  local result = child.run(step.words)
  step.status, step.seconds = result.status, (clock.now_ns() - start) / 1e9
  step.line = last_line(result.out ~= "" and result.status <= 2 and result.out or result.err)
  show(p, string.format("== %s: %s, %.0f s", step.name, WORDS[step.status]
                        or "status " .. step.status, step.seconds))
  if not p.quiet or step.status > 2 then
    show(p, ((result.out .. result.err):gsub("%s+$", "")))
  end
end

--- 1 when something failed; what could not run; 2 when something could not be told.
local function overall(steps)
  local worst = 0
  for _, step in ipairs(steps) do
    local status = step.status or 0
    if status == 1 then return 1 end
    if status > worst then worst = status end
  end
  return worst
end

local function summary(steps, status)
  local parts = {}
  for i, step in ipairs(steps) do
    parts[i] = string.format("%s %s", step.name, step.left_out and "left out"
                             or WORDS[step.status] or "status " .. tostring(step.status))
  end
  return string.format("DAILY %s: %s: %s", clock.utc():sub(1, 10),
                       (WORDS[status] or "status " .. status):upper(), table.concat(parts, ", "))
end

return woolly.tool {
  about = "The daily check: smoke, regression, trend, alerts, dashboard; safe to run from cron",
  help = "One at a time per store: a second one ends at once with status 4. One that was killed\n"
    .. "leaves a sound store and no lock; the next says so. The last line sums up; the exit\n"
    .. "status is 1 when a part failed, else the highest of the parts.\n"
    .. "cron: 15 3 * * *  cd /srv/woolly && woolly-lua daily.lua --model my.gguf --quiet",
  params = {
    baseline = { default = "stable", help = "regression: stable, yesterday, a run, pin or file" },
    scenario = { default = "quick", help = "regression: script that measures" },
    window = { default = "7days", help = "trend: changes of this long" },
    rules = { default = "alerts", help = "alerts: rules, a name in gates/ or a file" },
    alert_file = { type = "string", help = "alerts: append new ones here" },
    webhook = { type = "string", help = "alerts: POST new ones to this URL" },
    form = { default = "generic", choices = { "generic", "slack" }, help = "of the webhook" },
    output = { default = "dashboard.html", help = "dashboard: the page" },
    model = { type = "string", help = "regression: what is measured; likewise:" },
    preset = { type = "string", help = "engine switches of a phase" },
    switches = { type = "string", help = "changes to the preset" },
    threads = { type = "list", help = "worker threads" },
    target = { type = "string", help = "what is measured" },
    faults = { type = "string", help = "planted faults of target faulty" },
    runs = { type = "integer", help = "repetitions within a run" },
    store = { default = "woolly.db", help = "where the runs are kept" },
    json = common.json_param,
  },
  run = function(p)
    if p.store == "none" then woolly.fail("--store none: the daily check lives on its history") end
    local lock_path, state_path = paths(p.store)
    local lock <close>, message, code = process.lock(lock_path)
    if lock == nil then woolly.fail("daily: " .. message, code) end
    local before = read_state(state_path)
    if not lock then
      woolly.fail(string.format("daily: another daily check of %s is running (process %s, since %s)"
        .. "; nothing was done", p.store, tostring(before.process), tostring(before.started)),
        "environment")
    end
    local notes = {}
    if before.started and not before.ended then
      notes[1] = string.format("the daily check of %s (process %s) was interrupted in %s",
                               before.started, tostring(before.process), tostring(before.step))
      show(p, notes[1])
    end
    local state = { started = clock.utc(), process = process.pid(), step = "smoke" }
    if before.started and before.started > state.started then
      notes[#notes + 1] = string.format("clock moved: the last daily check began at %s, which is "
                                        .. "to come; runs are taken in the order they were saved",
                                        before.started)
      show(p, notes[#notes])
    end
    local steps = steps_of(p)
    for i, step in ipairs(steps) do
      state.step = step.name
      write_state(state_path, state)
      if step.measures and steps[1].status ~= 0 and steps[1].status ~= 2 then
        step.left_out = "smoke failed: there is nothing to measure"
      end
      run_step(p, steps[i])
    end
    local status = overall(steps)
    state.ended, state.status, state.step = clock.utc(), status, nil
    write_state(state_path, state)
    local line, documents = summary(steps, status), json.array {}
    for i, step in ipairs(steps) do
      documents[i] = { name = step.name, status = step.status, seconds = step.seconds,
                       line = step.line, left_out = step.left_out }
    end
    common.print(p, { started = state.started, ended = state.ended, steps = documents,
                      notes = json.array(notes), summary = line, status = status }, line)
    return status
  end,
}

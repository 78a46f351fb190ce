--- What a run is compared with: the stable segment of its like, the day before, a run, a file.
local changepoint = require "woolly.stats.changepoint"
local compare     = require "woolly.compare"
local failure     = require "woolly.failure"
local history     = require "woolly.history"
local metrics     = require "woolly.metrics"
local regression  = require "woolly.regression"
local report      = require "woolly.report.json"
local stats       = require "woolly.stats"
local stored      = require "woolly.stored"
local suggest     = require "woolly.suggest"
local text        = require "woolly.report.text"

local baselines = {}

-- Runs looked back for the stable segment; more would tell little of today.
local MOST_RUNS <const> = 400

---@class woolly.Baseline
---@field kind "segment"|"run"
---@field values? table<string, number[]>   segment: medians of runs, oldest first
---@field samples? table<string, number[]>  run
---@field text string[]                     what it is and why it may be compared
---@field reason? string                    there is none, for this reason

local function date(row) return (row.started:gsub("T.*", "")) end

local function left_out_text(left_out)
  local parts = {}
  for _, why in ipairs(suggest.keys(left_out)) do
    parts[#parts + 1] = string.format("%d of %s", left_out[why], why)
  end
  return #parts > 0 and "left out: runs " .. table.concat(parts, ", ") or nil
end

--- Samples of a report that has any, by metric.
---@param document table
---@return table<string, number[]>
function baselines.samples(document)
  local samples = {}
  for name, measured in pairs(report.measured(document)) do
    if #measured.samples > 0 then samples[name] = measured.samples end
  end
  return samples
end

--- Runs of the store alike to the run `id` and saved before it.
---@param kept woolly.store.Store
---@param id string
---@return woolly.store.History alike
---@return woolly.store.Row row      of the run itself
---@return string[] notes
function baselines.before(kept, id)
  local document = failure.must(stored.run(kept, id))
  local found = failure.must(kept:history { scenario = document.run.scenario, limit = 1000000 })
  local own
  for _, row in ipairs(found.rows) do
    if row.id == id then own = row end
  end
  if not own then failure.raise(string.format("run %s was cut short; it cannot be judged", id)) end
  local earlier = history.pick(found, function(row) return row.seq < own.seq end)
  local alike, left_out = history.alike(earlier, own)
  local notes = #alike.rows > 0 and history.clock_notes({ alike.rows[#alike.rows], own }) or {}
  notes[#notes + 1] = left_out_text(left_out)
  return alike, own, notes
end

local function has_no_share(values)
  for _, value in ipairs(values) do
    if value <= 0 then return true end -- counted: no steps to look for
  end
  return false
end

--- The newest level that enough runs are on, between changes that both detectors see. Right after
--- a change that is the level before it: what just got worse is not its own baseline.
---@param values number[]
---@return number[] segment
---@return integer first
---@return integer last
function baselines.stable(values)
  local first = math.max(1, #values - MOST_RUNS + 1)
  local recent = table.move(values, first, #values, 1, {})
  local from, to = 1, #recent
  if #recent >= regression.MIN_SEGMENT and not has_no_share(recent) then
    local points = changepoint.detect(recent)
    for i = #points, 1, -1 do
      if points[i].vote == "confirmed" then
        from = points[i].index
        if to - from + 1 >= regression.MIN_SEGMENT then break end
        from, to = 1, from - 1
      end
    end
  end
  return table.move(recent, from, to, 1, {}), first + from - 1, first + to - 1
end

local function stable(alike)
  local n = #alike.rows
  if n < regression.MIN_SEGMENT then
    return { reason = string.format("%d earlier runs like this one, %d make a stable segment", n,
                                    regression.MIN_SEGMENT) }
  end
  local values, from, to = {}, 1, n
  for name, series in pairs(alike.series) do
    local first, last
    values[name], first, last = baselines.stable(series.value)
    if name == "tokens_per_second" then from, to = series.at[first], series.at[last] end
  end
  from = math.max(from, to - regression.MAX_SEGMENT + 1)
  local said = { string.format("the stable segment: %d runs, %s (%s) to %s (%s)", to - from + 1,
    alike.rows[from].id, date(alike.rows[from]), alike.rows[to].id, date(alike.rows[to])) }
  if to < n then
    said[2] = string.format("%d newer runs are on another level: too few for a baseline", n - to)
  end
  return { kind = "segment", values = values, text = said }
end

local function one_run(document, what)
  return { kind = "run", samples = baselines.samples(document), text = { string.format(
    "%s: run %s of %s, %d metrics", what, document.run.id, document.run.started,
    #document.metrics) } }
end

local function yesterday(kept, alike, own)
  local indexes, days = history.day_before(alike.rows, own.started_s)
  if #indexes == 0 then return { reason = "no run like this one on an earlier day" } end
  local row = alike.rows[indexes[#indexes]]
  local what = days == 1 and "yesterday" or string.format("%d days ago, the last day with a run",
                                                          days)
  return one_run(failure.must(stored.run(kept, row.id)), string.format("%s, the last of %d runs",
                                                                       what, #indexes))
end

-- Why a report is no baseline of another: machine, model, then everything that was chosen.
local function refusal(document, other)
  local why = compare.refusal(document, other)
  if why then return why end
  local json = require "woolly.json"
  local function encoded(value) return value and json.encode(value) or nil end
  local function alike(of)
    local run = of.run
    return { scenario = run.scenario, target = run.target, preset = run.preset,
             switches = encoded(run.switches), params = encoded(run.params), machine = "",
             model = "" }
  end
  return history.difference(alike(document), alike(other))
end

--- The baseline that `which` names.
---@param kept? woolly.store.Store
---@param document table   report of the run that is judged
---@param which string     "stable", "yesterday", a run or a file
---@param url string       of the store
---@return woolly.Baseline
function baselines.find(kept, document, which, url)
  local found
  if which == "stable" or which == "yesterday" then
    if not kept then
      failure.raise(string.format("--baseline %s: needs a store; name a file or leave --store none",
                                  which))
    end
    local alike, own, notes = baselines.before(kept, document.run.id)
    found = which == "stable" and stable(alike) or yesterday(kept, alike, own)
    found.text = table.move(notes, 1, #notes, #(found.text or {}) + 1, found.text or {})
    return found
  end
  local other = stored.document(which, url, "--baseline")
  local why = refusal(document, other)
  if why then
    return { reason = string.format("%s cannot be compared: %s", which, why), text = {} }
  end
  return one_run(other, which)
end

--- The pinned release, when there is a pin of that name; nil when there is none.
---@param kept? woolly.store.Store
---@param document table
---@param name string
---@return woolly.Baseline?
function baselines.release(kept, document, name)
  local other = kept and stored.run(kept, name)
  if not other then return nil end
  local why = refusal(document, other)
  if why then return { reason = why, text = {} } end
  return one_run(other, "pinned as " .. name)
end

--- The metrics that a comma-separated list names.
---@param list string
---@return table<string, boolean>
function baselines.chosen(list)
  local names = {}
  for name in list:gmatch("[^,%s]+") do
    if not metrics.all[name] then
      failure.raise(string.format("--metrics: unknown metric '%s'%s", name,
                                  suggest.hint(name, suggest.keys(metrics.all))))
    end
    names[name] = true
  end
  return names
end

--- One line per metric of all runs (the first and its re-runs) against one baseline.
---@param found woolly.Baseline
---@param runs table<string, number[]>[]   samples by metric
---@param tolerance number
---@param names? table<string, boolean>|false   only these
---@return woolly.Regression[]
function baselines.judge(found, runs, tolerance, names)
  local base, lines = found.values or found.samples, {}
  for _, name in ipairs(regression.names(runs[1], base)) do
    if not names or names[name] then
      local all = {}
      for i, samples in ipairs(runs) do all[i] = samples[name] or {} end
      if found.kind == "run" then
        lines[#lines + 1] = regression.against_run(name, base[name] or {}, all, tolerance)
      else
        for i, samples in ipairs(all) do all[i] = stats.median(samples) end
        lines[#lines + 1] = regression.against_segment(name, base[name] or {}, all, tolerance)
      end
    end
  end
  return lines
end

local function because(document)
  local run, model = document.run, document.model
  return string.format("because: same machine %s, model %s, target %s%s, switches and options",
    document.machine.fingerprint:sub(1, 6),
    model and (model.sha256 or model.name):sub(1, 12) or "none", run.target,
    run.preset and " " .. run.preset or "")
end

--- What was compared, why it may be, and how it ended, line by line.
---@param otherwise string    what to say when there is no baseline: "no baseline stable"
---@param found woolly.Baseline
---@param document table      of the run that is judged
---@param lines woolly.Regression[]
---@return string[]
function baselines.render(otherwise, found, document, lines)
  local out = {}
  if found.reason then
    out[1] = string.format("%s: %s", otherwise, found.reason)
    for _, line in ipairs(found.text or {}) do out[#out + 1] = "  " .. line end
    return out
  end
  out[1] = "compared with " .. found.text[1]
  out[2] = "  " .. because(document)
  for i = 2, #found.text do out[#out + 1] = "  " .. found.text[i] end
  return table.move(regression.render(lines, text.number), 1, #lines, #out + 1, out)
end

--- Judges one run by itself, for --baseline of any scenario: nothing is run again.
---@param kept? woolly.store.Store
---@param document table   saved already
---@param which string
---@param url string
---@return string[] lines
---@return integer status
function baselines.check(kept, document, which, url)
  local found = baselines.find(kept, document, which, url)
  local lines = found.reason and {}
    or baselines.judge(found, { baselines.samples(document) }, regression.TOLERANCE)
  local out = baselines.render("no baseline " .. which, found, document, lines)
  if regression.any(lines, "suspect") then
    out[#out + 1] = "a suspect: regression.lua would run it again, twice"
  end
  return out, found.reason and 2 or regression.status(lines)
end

return baselines

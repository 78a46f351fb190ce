local baselines = require "woolly.baselines"
local child = require "woolly.child"
local common = require "woolly.common"
local json = require "woolly.json"
local numeric = require "woolly.numeric"
local progress = require "woolly.progress"
local regression = require "woolly.regression"
local stats = require "woolly.stats"
local store = require "woolly.store"
local stored = require "woolly.stored"
local text = require "woolly.report.text"
local woolly = require "woolly"

local PASSED_ON <const> = { "model", "preset", "switches", "threads", "target", "faults", "store",
                            "runs", "seed" }

local function measure(p, line, what)
  line:show(string.format("regression: %s of %s.lua", what, p.scenario))
  local words = child.options(p, PASSED_ON)
  table.insert(words, 1, p.scenario .. ".lua")
  words[#words + 1] = "--quiet"
  words[#words + 1] = "--tag=purpose=regression"
  table.move(p.arguments, 1, #p.arguments, #words + 1, words)
  return (child.document(words))
end

local function wanted(p, name)
  if not p.metrics then return true end
  return ("," .. p.metrics .. ","):find("," .. name .. ",", 1, true) ~= nil
end

--- One line per metric of all runs (the first and its re-runs) against one baseline.
local function judge(p, found, runs)
  local base, lines = found.values or found.samples, {}
  for _, name in ipairs(regression.names(runs[1], base)) do
    if wanted(p, name) then
      local all = {}
      for i, samples in ipairs(runs) do all[i] = samples[name] or {} end
      if found.kind == "run" then
        lines[#lines + 1] = regression.against_run(name, base[name] or {}, all, p.tolerance)
      else
        for i, samples in ipairs(all) do all[i] = stats.median(samples) end
        lines[#lines + 1] = regression.against_segment(name, base[name] or {}, all, p.tolerance)
      end
    end
  end
  return lines
end

local function suspects(all)
  for _, lines in ipairs(all) do
    if regression.any(lines, "suspect") then return true end
  end
  return false
end

local function because(document)
  local run, model = document.run, document.model
  return string.format("because: same machine %s, model %s, target %s%s, switches and options",
    document.machine.fingerprint:sub(1, 6),
    model and (model.sha256 or model.name):sub(1, 12) or "none", run.target,
    run.preset and " " .. run.preset or "")
end

local VERDICTS <const> = {
  [0] = "NO REGRESSION", [1] = "REGRESSION CONFIRMED", [2] = "CANNOT JUDGE",
}

local function verdict_of(status, all, n_runs)
  local words = VERDICTS[status]
  for _, lines in ipairs(all) do
    if status == 2 and regression.any(lines, "suspect") then words = "SUSPECT, NOT CONFIRMED" end
    if status == 0 and regression.any(lines, "improved") then words = "IMPROVED" end
  end
  return string.format("REGRESSION CHECK: %s after %d run%s", words, n_runs,
                       n_runs == 1 and "" or "s")
end

return woolly.tool {
  about = "Is it slower than before? Measures, compares with a baseline, re-runs what is suspect",
  help = "A metric outside of where a run like those before would lie, and beyond the tolerance, is\n"
    .. "a suspect; two more runs in fresh processes follow, and two of three decide. Words after --\n"
    .. "go to the measuring script: regression.lua -- --n_tokens 64",
  arguments = "[-- options of the measuring script]",
  params = {
    baseline = { default = "stable",
                 help = "stable (runs since the last change), yesterday, a run, a pin or a file" },
    tolerance = { default = regression.TOLERANCE, help = "share that may be lost" },
    release = { default = "release", help = "pin that is compared with too, where there is one" },
    scenario = { default = "quick", help = "script that measures" },
    run = { type = "string", help = "judge this stored run instead of measuring: nothing is re-run" },
    metrics = { type = "string", help = "only these: tokens_per_second,ttft_ms" },
    model = { type = "string", help = "as for the measuring script; likewise:" },
    preset = { type = "string", help = "engine switches of a phase" },
    switches = { type = "string", help = "changes to the preset" },
    threads = { type = "list", help = "worker threads" },
    target = { type = "string", help = "what is measured" },
    faults = { type = "string", help = "planted faults of target faulty" },
    runs = { type = "integer", help = "repetitions within a run" },
    seed = { type = "integer", help = "seed of everything random" },
    store = { default = "woolly.db", help = "where the runs are kept" },
    json = common.json_param,
  },
  run = function(p)
    stats.accelerate(numeric)
    if p.tolerance <= 0 or p.tolerance >= 1 then
      woolly.fail(string.format("--tolerance: %g is out of range, allowed 0..1", p.tolerance))
    end
    local line = progress.new { quiet = p.quiet }
    local document = not p.run and measure(p, line, "first run") or nil
    local kept <close> = p.store ~= "none"
      and woolly.must(store.open(p.store, { read_only = true })) or nil
    if p.run and not kept then woolly.fail("--run: a stored run needs --store") end
    document = document or woolly.must(stored.run(kept, p.run))
    local found = baselines.find(kept, document, p.baseline, p.store)
    local release = baselines.release(kept, document, p.release)
    local runs, ids = { baselines.samples(document) }, { document.run.id }
    local function judged()
      local all = { found.reason and {} or judge(p, found, runs) }
      if release and not release.reason then all[2] = judge(p, release, runs) end
      return all
    end
    local all = judged()
    if not p.run and suspects(all) then
      for i = 1, regression.RERUNS do
        local again = measure(p, line, string.format("suspect: re-run %d of %d", i,
                                                     regression.RERUNS))
        runs[#runs + 1], ids[#ids + 1] = baselines.samples(again), again.run.id
      end
      all = judged()
    end
    line:clear()
    local status = found.reason and 2 or regression.status(all[1])
    if all[2] and regression.status(all[2]) == 1 then status = 1 end
    local out = { string.format("Regression check: %s.lua, run %s, tolerance %g %%",
                                document.run.scenario, table.concat(ids, ", "),
                                100 * p.tolerance) }
    local function add(what, base, lines)
      if base.reason then
        out[#out + 1] = string.format("%s: %s", what, base.reason)
        for _, line in ipairs(base.text or {}) do out[#out + 1] = "  " .. line end
      else
        out[#out + 1] = "compared with " .. base.text[1]
        out[#out + 1] = "  " .. because(document)
        for i = 2, #base.text do out[#out + 1] = "  " .. base.text[i] end
        table.move(regression.render(lines, text.number), 1, #lines, #out + 1, out)
      end
    end
    add("no baseline " .. p.baseline, found, all[1])
    if release then add("not compared with pin " .. p.release, release, all[2]) end
    out[#out + 1] = verdict_of(status, all, #runs)
    common.print(p, { runs = json.array(ids), baseline = { name = p.baseline, kind = found.kind,
      text = json.array(found.text or {}), reason = found.reason }, lines = json.array(all[1]),
      release = all[2] and json.array(all[2]), status = status,
      confirmed = status == 1 }, table.concat(out, "\n"))
    return status
  end,
}

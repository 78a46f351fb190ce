local baselines = require "woolly.baselines"
local child = require "woolly.child"
local common = require "woolly.common"
local json = require "woolly.json"
local noise = require "woolly.noise"
local numeric = require "woolly.numeric"
local progress = require "woolly.progress"
local regression = require "woolly.regression"
local stats = require "woolly.stats"
local store = require "woolly.store"
local stored = require "woolly.stored"
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

local function suspects(all)
  for _, lines in ipairs(all) do
    if regression.any(lines, "suspect") then return true end
  end
  return false
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

--- What else went on while a run was measured.
local function disturbances(documents)
  local out = {}
  for _, document in ipairs(documents) do
    local why = noise.summary(document.repetitions or {}, document.run.disturbed)
    if why then out[#out + 1] = string.format("  run %s was %s", document.run.id, why) end
  end
  return out
end

--- What can be wrong is found before anything is measured.
local function refuse_early(p)
  if p.tolerance <= 0 or p.tolerance >= 1 then
    woolly.fail(string.format("--tolerance: %g is out of range, allowed 0..1", p.tolerance))
  end
  if p.run and p.store == "none" then woolly.fail("--run: a stored run needs --store") end
  if p.baseline ~= "stable" and p.baseline ~= "yesterday" then
    stored.document(p.baseline, p.store, "--baseline")
  elseif p.store == "none" then
    woolly.fail(string.format("--baseline %s: needs the history of a store; name a file",
                              p.baseline))
  end
end

return woolly.tool {
  about = "Is it slower than before? Measures, compares with a baseline, re-runs what is suspect",
  help = "A metric outside of where a run like those before would lie, and so far that a loss of the\n"
    .. "tolerance cannot be ruled out, is a suspect; two more runs in fresh processes follow, and\n"
    .. "two of three decide. Words after --\n"
    .. "go to the measuring script: regression.lua -- --n_tokens 64",
  arguments = "[-- options of the measuring script]",
  params = {
    baseline = { default = "stable",
                 help = "stable (runs since the last change), yesterday, a run, a pin or a file" },
    tolerance = { default = regression.TOLERANCE, help = "share that may be lost" },
    release = { default = "release", help = "pin that is compared with too, where there is one" },
    scenario = { default = "quick", help = "script that measures" },
    run = { type = "string", help = "judge this stored run; measure and re-run nothing" },
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
    refuse_early(p)
    local names = p.metrics and baselines.chosen(p.metrics)
    local line = progress.new { quiet = p.quiet }
    local first = not p.run and measure(p, line, "first run") or nil
    local kept <close> = p.store ~= "none"
      and woolly.must(store.open(p.store, { read_only = true })) or nil
    local documents = { first or woolly.must(stored.run(kept, p.run)) }
    local found = baselines.find(kept, documents[1], p.baseline, p.store)
    local release = baselines.release(kept, documents[1], p.release)
    local function judged()
      local runs, all = {}, { {} }
      for i, document in ipairs(documents) do runs[i] = baselines.samples(document) end
      for i, one in ipairs { found, release } do
        all[i] = one.reason and {} or baselines.judge(one, runs, p.tolerance, names)
      end
      return all
    end
    local all = judged()
    if first and suspects(all) then
      for i = 1, regression.RERUNS do
        documents[#documents + 1] = measure(p, line, string.format("suspect: re-run %d of %d", i,
                                                                   regression.RERUNS))
      end
      all = judged()
    end
    line:clear()
    local status = found.reason and 2 or regression.status(all[1])
    if all[2] and regression.any(all[2], "regressed") then status = 1 end
    local ids, out = {}, {}
    for i, document in ipairs(documents) do ids[i] = document.run.id end
    local function add(lines) table.move(lines, 1, #lines, #out + 1, out) end
    add { string.format("Regression check: %s.lua, run %s, tolerance %g %%",
                        documents[1].run.scenario, table.concat(ids, ", "), 100 * p.tolerance) }
    add(disturbances(documents))
    add(baselines.render("no baseline " .. p.baseline, found, documents[1], all[1]))
    if release then
      add(baselines.render("not compared with pin " .. p.release, release, documents[1], all[2]))
    end
    add { verdict_of(status, all, #documents) }
    common.print(p, { runs = json.array(ids), baseline = { name = p.baseline, kind = found.kind,
      text = json.array(found.text or {}), reason = found.reason }, lines = json.array(all[1]),
      release = all[2] and json.array(all[2]), status = status,
      confirmed = status == 1 }, common.lines(out))
    return status
  end,
}

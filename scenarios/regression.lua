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
    local names = p.metrics and baselines.chosen(p.metrics)
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
      local all = { found.reason and {} or baselines.judge(found, runs, p.tolerance, names) }
      if release and not release.reason then all[2] = baselines.judge(release, runs, p.tolerance, names) end
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
      for _, one in ipairs(baselines.render(what, base, document, lines)) do out[#out + 1] = one end
    end
    add("no baseline " .. p.baseline, found, all[1])
    if release then add("not compared with pin " .. p.release, release, all[2]) end
    out[#out + 1] = verdict_of(status, all, #runs)
    common.print(p, { runs = json.array(ids), baseline = { name = p.baseline, kind = found.kind,
      text = json.array(found.text or {}), reason = found.reason }, lines = json.array(all[1]),
      release = all[2] and json.array(all[2]), status = status,
      confirmed = status == 1 }, common.lines(out))
    return status
  end,
}

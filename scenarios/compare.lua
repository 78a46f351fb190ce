local ab = require "woolly.stats.ab"
local blame = require "woolly.blame"
local child = require "woolly.child"
local common = require "woolly.common"
local files = require "woolly.files"
local json = require "woolly.json"
local metrics = require "woolly.metrics"
local numeric = require "woolly.numeric"
local process = require "woolly.process"
local progress = require "woolly.progress"
local sides = require "woolly.sides"
local stats = require "woolly.stats"
local text = require "woolly.report.text"
local woolly = require "woolly"

local LOOKS <const> = { 10, 15, 20 } -- pairs after which it may be decided
local SHARED <const> = { "model", "preset", "switches", "threads", "target", "faults", "n_prompt",
                         "n_tokens", "runs", "seed" }
local SHOWN <const> = { "tokens_per_second", "single_token_latency_ms",
                        "prefill_tokens_per_second", "ttft_ms" }
local OF_DECODE <const> = { tokens_per_second = true, single_token_latency_ms = true }

local function side_specs()
  local specs = {}
  for i, name in ipairs(SHARED) do
    specs[i] = { name = name, type = name == "threads" and "list"
      or (name:match("^n_") or name == "runs" or name == "seed") and "integer" or "string",
      help = name }
  end
  return specs
end

--- The command line of a side; what it says itself goes before what both share.
local function words_of(side, p, script)
  local values = {}
  for _, name in ipairs(SHARED) do
    values[name] = side.options[name]
    if values[name] == nil then values[name] = p[name] end
  end
  if values.target ~= "faulty" then values.faults = side.options.faults end
  local words = child.options(values, SHARED)
  table.insert(words, 1, script)
  return words
end

--- One process of a side; what it measured is added to the side.
local function run_once(side)
  local words = side.words
  if #side.runs == 0 then
    words = table.move(words, 1, #words, 1, {})
    words[#words + 1] = "--check" -- a wrong answer is never timed
  end
  side.runs[#side.runs + 1] = child.document(words, side.program)
end

local function medians(side, name)
  local values = {}
  for i, run in ipairs(side.runs) do values[i] = stats.median(run.metrics[name] or {}) end
  return values
end

local function judge(a, b, name, p, look, looks)
  local x, y = medians(a, name), medians(b, name)
  if #x < #a.runs or #y < #b.runs then return nil end -- one of the targets tells of none
  return ab.judge(x, y, { better = metrics.all[name].better, threshold = p.threshold,
                          looks = looks, look = look })
end

--- Pairs in ABBA order until a look decides. Returns the verdict of the metric that decides.
local function measure(a, b, p)
  local looks = p.pairs and { p.pairs } or LOOKS
  local order, line = ab.order(looks[#looks], p.seed), progress.new { quiet = p.quiet }
  local verdict
  for look, pairs_until in ipairs(looks) do
    while #a.runs < pairs_until do
      for k = 1, 2 do
        line:share(string.format("compare: pair %d of %d", #a.runs + (k == 1 and 1 or 0),
                                 looks[#looks]), 2 * math.min(#a.runs, #b.runs) + k - 1,
                   2 * looks[#looks])
        run_once(order[#a.runs + #b.runs + 1] == "A" and a or b)
      end
    end
    verdict = judge(a, b, p.metric, p, look, looks)
    if not verdict then
      woolly.fail(string.format("%s: not measured by both sides", p.metric), "unavailable")
    end
    if verdict.verdict ~= "undecided" then break end
  end
  line:clear()
  return verdict, looks
end

local function same_tokens(a, b)
  local x, y = a.runs[1].tokens or {}, b.runs[1].tokens or {}
  local n = 0
  while n < #x and x[n + 1] == y[n + 1] do n = n + 1 end
  return n, #x
end

local function describe(side, name)
  local run = side.runs[1]
  local model = run.model
  return string.format("%s: %s  (target %s%s%s%s)", name, side.label, run.target,
    run.target ~= "null" and run.target ~= "llama_cpp" and " " .. run.preset or "",
    model and string.format(", model %s %s %s", model.name, model.type,
                            (model.sha256 or "?"):sub(1, 12)) or "",
    side.program and ", " .. side.program or "")
end

local function rate_line(a, b, name, found)
  return string.format("  %-26s A %-10s B %-10s B / A %.4f  [%.4f, %.4f]  %s", name,
    text.number(stats.median(medians(a, name))), text.number(stats.median(medians(b, name))),
    found.ratio, found.low, found.high, found.verdict)
end

-- Without a sign of nothing: "-0 %".
local function whole(percent) return math.floor(percent + 0.5) end

local function blame_lines(a, b)
  for _, side in ipairs { a, b } do
    for _, run in ipairs(side.runs) do
      if not run.operations then
        return nil, string.format("%s: %s", side.label, run.reason or "no profile")
      end
    end
  end
  local function profiles(side)
    local list = {}
    for i, run in ipairs(side.runs) do list[i] = run.operations end
    return list
  end
  return blame.table(profiles(a), profiles(b), medians(a, "tokens_per_second"),
                     medians(b, "tokens_per_second"))
end

local STATUS <const> = { faster = 0, same = 0, slower = 1, undecided = 2 }

return woolly.tool {
  about = "A or B? Interleaved pairs of process runs, a verdict, and the operation that differs",
  arguments = "A B",
  help = "A and B: a preset (p3), a target (llama_cpp), a model (file.gguf, synth:SHAPE-TYPE), a\n"
    .. "switch (simd=off), another build (build-old/woolly-lua), options of a side in quotes\n"
    .. "(\"p4 --threads 2\"), or several of these. What follows both is shared:\n"
    .. "compare.lua p3 \"p4 --threads 2\" --model my.gguf\n"
    .. "B is faster, slower, same (within the threshold, shown) or undecided. Exit status: 1 when\n"
    .. "B is slower, 2 when undecided.",
  params = {
    model = { default = "synth:110m-q4_0", help = "the model of both sides; likewise:" },
    preset = { default = "p4", help = "engine switches of a phase" },
    switches = { type = "string", help = "changes to the preset" },
    threads = { type = "list", help = "worker threads" },
    target = { default = "native", help = "what is measured" },
    faults = { type = "string", help = "planted faults of target faulty" },
    n_prompt = { default = 32, help = "tokens of the prompt" },
    n_tokens = { default = 32, help = "tokens to decode" },
    runs = { default = 3, help = "generations in a process; their median is its value" },
    seed = { default = 1, help = "who is first, and everything random" },
    pairs = { type = "integer", help = "exactly so many pairs; not given: 10, then 15, then 20" },
    metric = { default = "tokens_per_second", choices = SHOWN, help = "what decides" },
    threshold = { default = 0.01, help = "a smaller difference is none" },
    json = common.json_param,
  },
  run = function(p)
    stats.accelerate(numeric)
    if #p.arguments ~= 2 then
      woolly.fail("compare.lua A B: two sides. --help tells what they are")
    end
    if p.threshold <= 0 or p.threshold >= 1 then
      woolly.fail(string.format("--threshold: %g is out of range, allowed 0..1", p.threshold))
    end
    if p.pairs and (p.pairs < 5 or p.pairs > 1000) then
      woolly.fail(string.format("--pairs: %d is out of range, allowed 5..1000", p.pairs))
    end
    local script, specs = files.script("side.lua"), side_specs()
    local both = {}
    for i, spec in ipairs(p.arguments) do
      both[i] = sides.parse(spec, specs, process.exists)
      both[i].runs, both[i].words = {}, words_of(both[i], p, script)
    end
    local a, b = both[1], both[2]
    if not sides.differ(a, b) then woolly.fail("A and B say the same: nothing to compare") end
    local verdict, looks = measure(a, b, p)
    local out = { describe(a, "A"), describe(b, "B"), string.format(
      "%d interleaved pairs of processes, %d generations in each; machine %s", #a.runs, p.runs,
      a.runs[1].machine:sub(1, 6)) }
    local found = {}
    for _, name in ipairs(SHOWN) do
      local one = name == p.metric and verdict or judge(a, b, name, p, #looks, looks)
      if one then
        found[#found + 1] = { metric = name, verdict = one.verdict, ratio = one.ratio,
                              low = one.low, high = one.high, p = one.p,
                              a = json.array(medians(a, name)), b = json.array(medians(b, name)) }
        out[#out + 1] = rate_line(a, b, name, one)
      end
    end
    local equal, of = same_tokens(a, b)
    out[#out + 1] = string.format("  greedy tokens equal from the first on: %d of %d", equal, of)
    local lines, why_not = blame_lines(a, b)
    local decided = verdict.verdict == "slower" or verdict.verdict == "faster"
    local culprit
    if lines then
      out[#out + 1] = string.format("  %-12s %10s %10s %12s  %-24s %s", "operation", "A ns/token",
                                    "B ns/token", "difference", "interval", "share")
      for _, line in ipairs(lines) do
        out[#out + 1] = string.format("  %-12s %10.0f %10.0f %+12.0f  [%+.0f, %+.0f]%s",
          line.operation, line.a, line.b, line.difference, line.low, line.high,
          decided and line.share and string.format("  %.0f %%", whole(100 * line.share)) or "")
      end
      culprit = decided and OF_DECODE[p.metric]
        and blame.culprit(lines, verdict.verdict == "slower") or nil
      for _, line in ipairs(not culprit and blame.differing(lines) or {}) do
        out[#out + 1] = string.format("  by itself %s is %s in B (p %.2g)", line.operation,
                                      line.difference > 0 and "slower" or "faster", line.p)
      end
    else
      out[#out + 1] = "  by operation: cannot be told: " .. why_not
    end
    out[#out + 1] = string.format("COMPARISON: B IS %s%s%s", verdict.verdict:upper(),
      verdict.reason and " (" .. verdict.reason .. ")" or "",
      culprit and string.format("; %s took %s of the difference", culprit.operation,
                                culprit.share and string.format("%.0f %%", 100 * culprit.share)
                                or "most") or "")
    common.print(p, { a = a.label, b = b.label, pairs = #a.runs, metrics = json.array(found),
      verdict = verdict.verdict, ratio = verdict.ratio, low = verdict.low, high = verdict.high,
      operations = lines and json.array(lines), reason = why_not,
      blamed = culprit and culprit.operation, threshold = p.threshold,
      status = STATUS[verdict.verdict] }, common.lines(out))
    return STATUS[verdict.verdict]
  end,
}

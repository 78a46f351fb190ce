--- llama-bench's table for our engine: prompts (pp) and generation (tg) at depths of context.
local common = require "woolly.common"
local engine = require "woolly.engine"
local gate = require "woolly.gate"
local json = require "woolly.json"
local models = require "woolly.models"
local options = require "woolly.options"
local process = require "woolly.process"
local progress = require "woolly.progress"
local roofs = require "woolly.roofs"
local session = require "woolly.session"
local text = require "woolly.report.text"
local woolly = require "woolly"
local work = require "woolly.work"

local bench = {}

local N_CHECKED <const> = 12 -- greedy tokens that must be those of the reference path

local function words(list)
  local found = {}
  for word in list:gmatch("[^,%s]+") do found[#found + 1] = word end
  return found
end

--- A wrong answer is never timed: the bundled model's greedy text against the reference path's.
local function check(values)
  local model <close> = woolly.must(engine.load(models.resolve "bundled:stories260K"))
  local said = {}
  for i, v in ipairs { { preset = engine.presets()[1] }, values } do
    local context <close> = woolly.context(model, v, { n_ctx = N_CHECKED + 1 })
    woolly.must(context:prefill { model:info().bos or 0 })
    local made = woolly.must(context:decode { n_tokens = N_CHECKED })
    said[i] = model:detokenize(made.tokens)
  end
  if said[1] ~= said[2] then
    woolly.fail(string.format("check: preset %s says \"%s\", the reference path \"%s\". Nothing "
                              .. "was timed", values.preset, said[2], said[1]), "check")
  end
end

--- The tests of one context: prompts, then generations, at each depth.
local function tests_of(p)
  local tests = {}
  for _, depth in ipairs(p.depth) do
    if depth < 0 then woolly.fail("--depth: " .. depth .. " is out of range, allowed are 0..") end
    local at = depth > 0 and " @ d" .. depth or ""
    for _, n in ipairs(p.n_prompt) do
      if n > 0 then tests[#tests + 1] = { name = "pp" .. n .. at, n_prompt = n, depth = depth } end
    end
    for _, n in ipairs(p.n_gen) do
      if n > 0 then tests[#tests + 1] = { name = "tg" .. n .. at, n_gen = n, depth = depth } end
    end
  end
  return tests
end

-- Generation goes on from at least one token, and a rate needs two.
local function generation(test)
  return math.max(test.depth, 1), math.max(test.n_gen, 2)
end

local function positions(test)
  if test.n_prompt then return test.depth + test.n_prompt end
  local depth, n_gen = generation(test)
  return depth + n_gen
end

--- Tokens per second of one repetition, from an empty KV cache filled up to the depth.
local function measure(model, context, test)
  context:clear()
  local depth, n_gen = test.depth, nil
  if test.n_gen then depth, n_gen = generation(test) end
  if depth > 0 then woolly.must(context:prefill(common.prompt(model, depth))) end
  if n_gen then return common.rate(woolly.must(context:decode { n_tokens = n_gen })) end
  local result = woolly.must(context:prefill(common.prompt(model, test.n_prompt)))
  return result.n_tokens / (result.end_ns - result.start_ns) * 1e9
end

--- All tests of one model, preset and number of threads.
local function bench_context(rows, model, values, tests, p, limits, step)
  local n_ctx = 0
  for _, test in ipairs(tests) do n_ctx = math.max(n_ctx, positions(test)) end
  local info = model:info()
  local context <close> = woolly.context(model, values, {
    n_ctx = n_ctx, n_batch = p.n_batch, beyond_trained = n_ctx > info.n_ctx_train })
  local switches = context:switches()
  local found, why_not = limits(switches.threads)
  for _, test in ipairs(tests) do
    local samples = {}
    for run = 0, p.runs do
      step(string.format("%s %s %s, run %d of %d", values.name, values.preset, test.name, run,
                         p.runs))
      local rate = measure(model, context, test)
      if run > 0 then samples[run] = rate end -- the first is the warm-up
    end
    local unit = test.n_gen
      and work.decode(model, context, { n_prompt = test.depth, n_tokens = test.n_gen })
      or work.prefill(model, context, test.n_prompt)
    local row = { model = values.name, type = info.type, bytes = info.file_bytes,
                  n_params = info.n_params, preset = values.preset, isa = switches.backend,
                  threads = switches.threads, test = test.name, n_prompt = test.n_prompt,
                  n_gen = test.n_gen, depth = test.depth, samples = samples,
                  n_ctx_train = positions(test) > info.n_ctx_train and info.n_ctx_train or nil }
    row.median, row.low, row.high = gate.estimate(samples, "median")
    if found then
      row.roof, row.roof_by = work.limit(found, unit)
    else
      row.roof_by = why_not
    end
    row.roof_share = row.roof and row.median / row.roof
    rows[#rows + 1] = row
  end
end

local HEAD <const> = "| model | type | size MB | params M | preset | isa | threads | test | "
  .. "tokens/s | interval | roof | share |\n"
  .. "| --- | --- | ---: | ---: | --- | --- | ---: | --- | ---: | ---: | ---: | ---: |"

--- What sets the roofs, each once with its tests; shares that cannot be.
local function notes_of(rows)
  local by, tests, notes = {}, {}, {}
  for _, row in ipairs(rows) do
    local key = (row.roof and "roof by " or "no roof: ") .. row.roof_by
    if not tests[key] then by[#by + 1], tests[key] = key, {} end
    table.insert(tests[key], row.model .. " " .. row.test)
    if row.roof_share and row.roof_share > 1.05 then
      notes[#notes + 1] = string.format("\n- %s %s %s is %.2f times its roof: one of the two was "
        .. "measured wrong. calibrate.lua measures the roofs again", row.model, row.preset,
        row.test, row.roof_share)
    end
    if row.n_ctx_train then
      notes[#notes + 1] = string.format("\n- %s %s goes beyond the %d tokens that the model was "
        .. "trained for: its speed means something, its text does not", row.model, row.test,
        row.n_ctx_train)
    end
  end
  for i, key in ipairs(by) do
    by[i] = string.format("\n- %s: %s", key, table.concat(tests[key], ", "))
  end
  return table.concat(by) .. table.concat(notes)
end

local function markdown(rows)
  local lines = { HEAD }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = string.format(
      "| %s | %s | %s | %s | %s | %s | %d | %s | **%s** | %s to %s | %s | %s |",
      row.model:gsub("|", "/"), row.type, text.number(row.bytes / 1e6),
      text.number(row.n_params / 1e6), row.preset, row.isa, row.threads, row.test,
      text.number(row.median), text.number(row.low), text.number(row.high),
      row.roof and text.number(row.roof) or "-",
      row.roof_share and string.format("%.0f %%", 100 * row.roof_share) or "-")
  end
  return table.concat(lines, "\n") .. "\n" .. notes_of(rows)
end

--- Runs every combination; rows come in while it runs.
local function run_all(p, tests, rows, line)
  local all, threads = engine.presets(), p.threads or { false }
  local presets, specs = p.preset and words(p.preset) or { all[#all] }, words(p.models)
  for _, preset in ipairs(presets) do woolly.must(engine.preset(preset)) end
  local done, total = 0, #specs * #presets * #threads * #tests * (p.runs + 1)
  local function step(what)
    line:share(what, done, total)
    done = done + 1
  end
  local cache = {}
  local function limits(n) -- measured once a number of threads
    if not cache[n] then cache[n] = table.pack(roofs.load(p, { n })) end
    return table.unpack(cache[n], 1, 2)
  end
  for _, spec in ipairs(specs) do
    local path = models.resolve(spec, p.quiet)
    for _, preset in ipairs(presets) do
      for _, n in ipairs(threads) do
        local values = { name = spec:match("[^/]+$"), model = path, preset = preset,
                         switches = common.without_guesses(options.switches(p.switches)),
                         threads = n and { n } or nil }
        check(values)
        bench_context(rows, woolly.model(values), values, tests, p, limits, step)
      end
    end
    session.close()
  end
end

--- Measures what the params of scenarios/bench.lua say and prints it.
---@param p woolly.Values
function bench.run(p)
  require("woolly.stats").accelerate(require "woolly.numeric")
  local tests, rows = tests_of(p), {}
  if #tests == 0 or #words(p.models) == 0 or p.runs < 1 then
    woolly.fail("no test: one of --models, --n_prompt and --n_gen, --runs is empty or 0")
  end
  local line = progress.new { quiet = p.quiet }
  local ok, value, reason = process.guard(run_all, p, tests, rows, line)
  line:clear()
  if not ok then
    -- What was measured until Ctrl-C is worth reading.
    if #rows > 0 and not p.json then io.write(markdown(rows), "\n") end
    if reason == "interrupted" then woolly.fail("interrupted", "cancelled") end
    error(value, 0)
  end
  common.print(p, { rows = json.array(rows), machine = require("woolly.machine").info(),
                    build = engine.build_info() }, markdown(rows))
end

return bench

-- Fills a store with runs that never ran: woolly-lua planted_store.lua STORE RUNS METRICS SAMPLES
-- [hostile]; hostile: one run for each of payloads.lua, which is in all of its texts.
-- Levels change and drift, so that pages and detectors have something to show.
local metrics = require "woolly.metrics"
local report = require "woolly.report.json"
local json = require "woolly.json"
local store = require "woolly.store"

local planted = {}

local NAMES <const> = { "tokens_per_second", "single_token_latency_ms", "prefill_tokens_per_second",
  "ttft_ms", "memory_usage_mb", "improvement_factor", "hot_path_allocations", "gemm_efficiency",
  "attention_speedup", "kv_cache_memory_mb" }

-- A number in -1 .. 1, the same every time.
local state = 1
local function noise()
  state = (state * 1103515245 + 12345) % 2147483648
  return state / 1073741824 - 1
end

function planted.names(n)
  local names, seen = {}, {}
  local function add(name)
    if #names < n and metrics.all[name] and not seen[name] then
      names[#names + 1], seen[name] = name, true
    end
  end
  for _, name in ipairs(NAMES) do add(name) end
  local others = {}
  for name in pairs(metrics.all) do others[#others + 1] = name end
  table.sort(others)
  for _, name in ipairs(others) do add(name) end
  return names
end

-- The level of a metric at run i of n: a step at 40 %, the second metric drifts.
local function level(place, i, n)
  local base = 10.0 * place
  if place == 1 and i > 0.4 * n then return base * 1.2 end
  if place == 2 then return base * (1 + 0.2 * i / n) end
  if place == 3 and i > 0.7 * n then return base * 0.85 end
  return base
end

function planted.document(i, n, options)
  local preset = "p" .. 1 + (i % 2)
  local entries, samples_of = {}, options.samples or 5
  for place, name in ipairs(options.names) do
    local values = {}
    for k = 1, samples_of do values[k] = level(place, i, n) * (1 + 0.01 * noise()) end
    entries[name] = { samples = values }
  end
  local document = report.build({
    id = store.new_id(), scenario = "inference_speed", title = "Planted runs",
    started = os.date("!%Y-%m-%dT%H:%M:%S.000Z", 1750000000 + i * 21600), target = "native",
    preset = preset, switches = { simd = true, threads = 2 }, params = { n_tokens = 32 }, seed = 1,
    commit = string.format("%012x", i * 7919), dirty = false,
    tags = { branch = i % 3 == 0 and "main" or "topic" }, status = "complete",
    disturbed = i % 17 == 0 and "waited 12 % of the time" or nil,
  }, {
    machine = { fingerprint = i % 5 == 0 and "b0b0b0" or "a1a1a1", cpu = "Planted CPU",
                n_cores = 2 },
    model = { name = "planted", sha256 = string.rep("ab", 32), arch = "llama", type = "Q4_0",
              bytes = 64000000, n_params = 110000000 },
    order = options.names, measured = entries, checks = {}, notes = { "planted" }, status = 0,
    repetitions = {},
  })
  local verdict = i % 7 == 0 and "fail" or "pass"
  document.gate = { name = "phase" .. preset:sub(2), title = "Planted", verdict = verdict,
    targets = {}, limits = { { metric = "tokens_per_second", bound = "min", stat = "median",
      limit = i % 7 == 0 and 20 or 1.0, verdict = verdict, n = samples_of, value = 12.0,
      low = 11.9, high = 12.1 } } }
  return document
end

-- Rows as improvement, ablate, memory_bandwidth, matrix_operations and load keep them; faster by
-- a factor.
local STEPS <const> = { { "p0", 1 }, { "+ simd", 4.2 }, { "+ pool", 1.1 },
  { "+ weight_cache", 0.97 }, { "+ fused_matmul", 3.4 }, { "+ repack", 1.3 },
  { "+ threads 2", 1.8 } }

local function tables(factor)
  local steps, ablation = {}, {}
  local rate = 5.5 * factor
  for i, step in ipairs(STEPS) do
    local name, gain = step[1], step[2]
    rate = rate * gain
    steps[i] = { name = name, tokens_per_second = rate, decode = gain, decode_low = 0.96 * gain,
                 decode_high = 1.05 * gain, prefill_tokens_per_second = 4 * rate, prompt = gain,
                 prompt_low = 0.95 * gain, prompt_high = 1.06 * gain }
    if i > 1 then
      for _, set in ipairs { "on", "off" } do
        local ratio = set == "on" and gain or 1 / gain
        table.insert(ablation, { name = (set == "on" and "" or "without ") .. name, set = set,
          base = set == "on" and "p0" or "p5", decode = ratio, decode_low = 0.94 * ratio,
          decode_high = 1.07 * ratio, prompt = ratio, tokens_per_second = 5.5 * ratio,
          kld_mean = 1e-9 })
      end
    end
  end
  local operations, kernels, curve = {}, {}, {}
  for i, operation in ipairs { "prepare", "qkv", "attention", "attn_output", "gate_up", "down",
                               "output", "wait" } do
    local us = ({ 40, 900, 300, 400, 2100, 1100, 700, 150 })[i] / factor
    operations[i] = { operation = operation, us_per_token = us, share = us * factor / 5690,
                      mb_per_token = us / 60, gb_per_second = 16 * factor }
  end
  for i = 1, 12 do
    kernels[i] = { name = "gate_up", type = i % 2 == 0 and "Q4_0" or "Q4_K", form = "packed",
                   tokens = i > 6 and 128 or 1, rows = 2048, cols = 768, roof_share = 0.05 * i,
                   gop_per_second = (i > 6 and 30 or 8) * (1 + i % 6),
                   gb_per_second = (i > 6 and 0.1 or 3) * (1 + i % 6) }
  end
  for i, users in ipairs { 1, 2, 4, 8, 16 } do
    local total = ({ 80, 150, 260, 320, 330 })[i] * factor
    curve[i] = { load = users .. " users", tokens_per_second = total, knee = users == 4,
                 e2e_p50 = 3200 * users / total, e2e_p95 = 4400 * users / total,
                 ttft_p50 = 9.0 * users, ttft_p95 = 15.0 * users, issued = 40, completed = 40,
                 requests_per_second = total / 32 }
  end
  return { waterfall = steps, ablation = ablation, operations = operations, kernels = kernels,
           curve = curve }
end

function planted.fill(path, n, options)
  local kept <close> = assert(store.open(path))
  for i = 1, n do
    local document = planted.document(i, n, options)
    if i > n - 2 then document.tables = tables(i == n and 1 or 0.9) end
    if options.change then options.change(document, i) end
    assert(kept:save(report.for_json(document, json)))
  end
end

-- Puts a text everywhere that a report has room for one.
local function poison(document, text)
  local run, first = document.run, document.metrics[1]
  run.scenario, run.title, run.target, run.preset = text, text, text, text
  run.commit, run.disturbed = text, text
  run.tags = { [text] = text }
  run.params = { [text] = text }
  run.switches = { [text] = text }
  document.machine.cpu, document.machine.host, document.machine[text] = text, text, text
  document.model.name, document.model.arch, document.model.type = text, text, text
  document.gate.title = text
  document.gate.limits[1].reason, document.gate.limits[1].verdict = text, "fail"
  document.checks = { { what = text, found = text, wanted = text, ok = false } }
  document.notes = { text }
  document.tables = { [text] = { { [text] = text } }, waterfall = { { name = text,
    tokens_per_second = 1.5, decode = 1.5 } }, operations = { { operation = text, share = 1,
    us_per_token = 2 } }, kernels = { { name = text, type = text, tokens = 1,
    gop_per_second = 2, gb_per_second = 1 } } }
  document.repetitions = { { test = text, wall_ns = 1, cpu_ns = 1, disturbed = text } }
  first.roof, first.roof_by, first.roof_share = 100, text, 0.5
  local missing = document.metrics[2]
  missing.samples, missing.n, missing.reason = {}, 0, text
end

if arg and arg[0] and arg[0]:match("planted_store%.lua$") then
  local payloads = arg[5] == "hostile" and require "payloads"
  local texts = payloads and payloads.all()
  planted.fill(arg[1], texts and #texts or tonumber(arg[2]), {
    names = planted.names(tonumber(arg[3])), samples = tonumber(arg[4]),
    change = texts and function(document, i)
      poison(document, payloads.storable(texts[i]))
      if i % 3 == 0 then document.gate.name = payloads.storable(texts[i]) end
    end,
  })
  return 0
end
return planted

--- The gates as data: complete against the plan, loadable without any library, known metrics only.
local alerts = require "woolly.alerts"
local json = require "json"
local metrics = require "woolly.metrics"
local tap = require "tap"

local source = os.getenv("WOOLLY_SOURCE") or "."
local names = { "phase1", "phase2", "phase3", "phase4", "phase5", "ole", "alerts" }

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

local function load_gate(name)
  local path = source .. "/gates/" .. name .. ".lua"
  return assert(load(assert(read(path), path), "@" .. path, "t", {}))()
end

-- The plan's three sources, under PHASE_GATES' names: { metric = { bound, number } }.
local plan = {
  phase1 = {
    tokens_per_second = { "min", 0.1 }, single_token_latency_ms = { "max", 10000 },
    improvement_factor = { "min", 10 }, memory_usage_mb = { "max", 6000 },
    simd_effectiveness = { "min", 0.5 }, leak_bytes_per_token = { "max", 0 },
  },
  phase2 = {
    tokens_per_second = { "min", 1 }, single_token_latency_ms = { "max", 1000 },
    improvement_factor = { "min", 100 }, gemm_efficiency = { "min", 0.7 },
    attention_speedup = { "min", 2 },
  },
  phase3 = {
    tokens_per_second = { "min", 5 }, kv_cache_memory_mb = { "max", 2000 },
    memory_bandwidth_reduction = { "min", 0.5 },
  },
  phase4 = {
    tokens_per_second = { "min", 15 }, ole_integration_ready = { "equals", true },
    threading_efficiency = { "min", 1.5 },
  },
  phase5 = {
    tokens_per_second = { "min", 30 }, llama_cpp_performance_ratio = { "min", 0.8 },
    stability_test_hours = { "min", 1 }, final_acceptance = { "equals", true },
    ole_integration_ready = { "equals", true }, leak_bytes_per_token = { "max", 0 },
  },
  ole = {
    single_token_latency_ms = { "max", 100 }, tokens_per_second = { "min", 15 },
    memory_usage_mb = { "max", 4000 }, error_rate = { "max", 0.01 },
    api_response_success_rate = { "min", 0.99 },
  },
}

local targets = { phase1 = 0.6, phase2 = 6, phase3 = 18, phase4 = 90, phase5 = 90 }

for _, name in ipairs(names) do
  tap.test("gate " .. name .. " names known metrics, one bound each, and nothing else", function()
    local gate = load_gate(name)
    tap.truthy(type(gate.title) == "string" and gate.title ~= "", "title")
    for key in pairs(gate) do
      tap.truthy(key == "title" or key == "limits" or key == "targets"
                 or name == "alerts" and key == "alerts", "key " .. key)
    end
    for metric, limit in pairs(gate.limits) do
      tap.truthy(metrics.find(metric), name .. ": metric " .. metric)
      local bounds = 0
      for _, bound in ipairs { "min", "max", "equals" } do
        if limit[bound] ~= nil then bounds = bounds + 1 end
      end
      tap.equal(bounds, 1, name .. "." .. metric .. ": number of bounds")
    end
    for metric, value in pairs(gate.targets or {}) do
      tap.truthy(metrics.find(metric), name .. ": target " .. metric)
      tap.equal(type(value), "number", name .. ": target " .. metric)
    end
  end)
end

for _, name in ipairs(names) do
  local limits = plan[name] or {}
  tap.test("gate " .. name .. " holds every limit of the plan", function()
    local gate = load_gate(name)
    for metric, expected in pairs(limits) do
      local limit = gate.limits[metric] or error(name .. ": no limit on " .. metric)
      tap.equal(limit[expected[1]], expected[2], name .. "." .. metric .. "." .. expected[1])
    end
    if targets[name] then
      tap.equal(gate.targets.tokens_per_second, targets[name], name .. ": target")
    end
  end)
end

tap.test("every figure of a gate carries a comment that says where it stands", function()
  for _, name in ipairs(names) do
    local commented = false
    for line in read(source .. "/gates/" .. name .. ".lua"):gmatch("[^\n]+") do
      local code, comment = line:match("^(.-)%-%-(.*)$")
      code = code or line
      local is_limit = code:find("{ m[ia][nx] =") or code:find("{ equals =")
      local is_target = code:find("^%s+[%w_]+ = [%d.]+,%s*$")
      if is_limit or is_target then
        tap.truthy(commented or comment, name .. ": " .. line)
      end
      commented = comment ~= nil and code:match("^%s*$") ~= nil
    end
  end
end)

tap.test("the scenario measures the KV cache at the length that its limit is for", function()
  local text = read(source .. "/scenarios/kv_cache_performance.lua")
  tap.equal(tonumber(text:match("GATE_N_CTX <const> = (%d+)")),
            load_gate("phase3").limits.kv_cache_memory_mb.n_ctx)
end)

tap.test("the trajectory is the plan's", function()
  local trajectory = load_gate("trajectory")
  for phase, factor in pairs { phase1 = 100, phase2 = 1000, phase3 = 3000, phase4 = 15000,
                               phase5 = 20000 } do
    tap.equal(trajectory.expected[phase], factor, phase)
  end
  tap.truthy(metrics.find(trajectory.metric), trajectory.metric)
end)

tap.test("the rules of the alerts are rules", function()
  local problems = alerts.problems(load_gate("alerts").alerts, "gates/alerts.lua")
  tap.equal(#problems, 0, problems[1])
end)

tap.test("the JSON configurations hold limits of their gates only", function()
  for phase = 1, 5 do
    local path = source .. "/gates/validation_config_phase" .. phase .. ".json"
    local config = json.decode(assert(read(path), path))
    tap.equal(config.phase:match("^(%d)_%l[%l_]*$"), tostring(phase), path .. ": phase")
    local gate = load_gate("phase" .. phase)
    for key, value in pairs(config.performance_gates) do
      local bound, metric = key:match("^(m[ia][nx])_(.+)$")
      local limit = gate.limits[metric] or error(path .. ": " .. key)
      local expected = limit[bound]
      if limit.equals == true then expected = 1 end -- yes and no are 1 and 0 in a configuration
      tap.equal(value, expected, path .. ": " .. key)
    end
  end
end)

local document = read(source .. "/../shared/validation-plan.md")
if not document then
  tap.skip("PHASE_GATES and the JSON equal the plan's text", "the plan is not beside the source")
else
  tap.test("PHASE_GATES and the JSON equal the plan's text", function()
    local block = document:match("PHASE_GATES = (%b{})")
    for phase, body in block:gmatch('"(phase%d)": (%b{})') do
      local gate = load_gate(phase)
      for metric, bound, value in body:gmatch('"([%w_]+)": {"(%w+)": ([%d.]+)}') do
        tap.equal(gate.limits[metric][bound], tonumber(value), phase .. "." .. metric)
      end
      for metric in body:gmatch('"([%w_]+)": True') do
        tap.equal(gate.limits[metric].equals, true, phase .. "." .. metric)
      end
    end
    local config = document:match("Phase 1 Validation Config%*%*:\n```json\n(.-)```")
    tap.equal(read(source .. "/gates/validation_config_phase1.json"), config, "phase 1 JSON")
  end)
end

tap.done()

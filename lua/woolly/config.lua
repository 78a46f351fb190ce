--- Reads the plan's JSON configuration: performance_gates into limits, tests into switches of what
--- to record. Pure over the decoded table.
local metrics = require "woolly.metrics"
local suggest = require "woolly.suggest"

local config = {}

local MAX_PROBLEMS <const> = 20
local TOP_KEYS <const> = { "phase", "tests", "performance_gates" }
--- Tests of the plan and their flags.
local TESTS <const> = {
  dequantization_performance = { "enabled", "measure_simd_usage", "measure_cache_effectiveness" },
  memory_allocation_tracking = { "enabled", "detect_hot_path_allocations" },
  inference_speed = { "enabled" },
  cache_effectiveness = { "enabled" },
  matrix_operations = { "enabled", "profile_gemm" },
  attention_performance = { "enabled", "measure_fused_kernels" },
  kv_cache_performance = { "enabled", "measure_quantization" },
  memory_bandwidth = { "enabled", "profile_detailed" },
  backend_performance = { "enabled", "compare_backends" },
  parallel_performance = { "enabled", "measure_scaling" },
  comparative = { "enabled", "reference_llama_cpp" },
  ole_integration = { "enabled", "real_time" },
  stability = { "enabled", "detect_memory_leaks" },
}

-- Decoded arrays carry a metatable, objects none.
local function is_object(value)
  return type(value) == "table" and getmetatable(value) == nil
end

local function kind_of(value)
  return type(value) == "table" and "array" or type(value)
end

--- Checks and converts.
---@param document any        decoded JSON
---@param where string        file name, for messages
---@return table? gate        { title, limits } when the document has performance_gates
---@return string[] problems
function config.read(document, where)
  local problems = {}
  local function problem(...)
    if #problems >= MAX_PROBLEMS then return end
    problems[#problems + 1] = where .. " " .. string.format(...)
  end
  if not is_object(document) then
    problem("found %s, an object is required", kind_of(document))
    return nil, problems
  end
  for _, key in ipairs(suggest.keys(document)) do
    if not (key == "phase" or key == "tests" or key == "performance_gates") then
      problem("%s: unknown key%s", key, suggest.hint(key, { table.unpack(TOP_KEYS) }))
    end
  end
  if document.phase ~= nil and type(document.phase) ~= "string" then
    problem("phase: found %s, a string is required", type(document.phase))
  end
  config.check_tests(document.tests, problem)
  local limits = config.read_limits(document.performance_gates, problem)
  if #problems > 0 then return nil, problems end
  if not limits then return nil, problems end
  return { title = document.phase or where, limits = limits }, problems
end

--- tests { name { flag: boolean } }
function config.check_tests(tests, problem)
  if tests == nil then return end
  if not is_object(tests) then
    return problem("tests: found %s, an object is required", kind_of(tests))
  end
  for _, name in ipairs(suggest.keys(tests)) do
    local flags = TESTS[name]
    if not flags then
      problem("tests.%s: unknown test%s", name, suggest.hint(name, suggest.keys(TESTS)))
    elseif not is_object(tests[name]) then
      problem("tests.%s: found %s, an object is required", name, kind_of(tests[name]))
    else
      local known = {}
      for _, flag in ipairs(flags) do known[flag] = true end
      for _, flag in ipairs(suggest.keys(tests[name])) do
        if not known[flag] then
          problem("tests.%s.%s: unknown key%s", name, flag,
                  suggest.hint(flag, { table.unpack(flags) }))
        elseif type(tests[name][flag]) ~= "boolean" then
          problem("tests.%s.%s: found %s, true or false is required", name, flag,
                  type(tests[name][flag]))
        end
      end
    end
  end
end

local function limit_names()
  local names = {}
  for name in pairs(metrics.all) do
    names[#names + 1] = "min_" .. name
    names[#names + 1] = "max_" .. name
  end
  return names
end

--- performance_gates { min_METRIC: number, max_METRIC: number }
---@return table<string, woolly.Limit>?
function config.read_limits(gates, problem)
  if gates == nil then return nil end
  if not is_object(gates) then
    return problem("performance_gates: found %s, an object is required", kind_of(gates))
  end
  local limits = {}
  for _, key in ipairs(suggest.keys(gates)) do
    local bound, name = key:match("^(m[ia][nx])_(.+)$")
    local value = gates[key]
    local metric = name and metrics.find(name)
    if not metric or not (bound == "min" or bound == "max") then
      problem("performance_gates.%s: unknown key%s", key, suggest.hint(key, limit_names()))
    elseif type(value) ~= "number" then
      problem("performance_gates.%s: %s is a %s, a number is required%s", key,
              type(value) == "string" and string.format("%q", value) or tostring(value),
              type(value), tonumber(value) and ". Remove the quotes" or "")
    elseif value < 0 and not metric.any_sign then
      problem("performance_gates.%s: %g is negative, 0 or more is required", key, value)
    else
      limits[metric.name] = limits[metric.name] or {}
      limits[metric.name][bound] = value
    end
  end
  for name, limit in pairs(limits) do
    if limit.min and limit.max and limit.min > limit.max then
      problem("performance_gates: min_%s %g is above max_%s %g", name, limit.min, name, limit.max)
    end
  end
  return limits
end

return config

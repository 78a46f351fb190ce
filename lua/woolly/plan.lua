--- From a declared scenario or phase and the words of the command line to what will be done.
--- Everything that can be wrong without a model is found here.
local failure  = require "woolly.failure"
local files    = require "woolly.files"
local floor    = require "woolly.floor"
local help     = require "woolly.help"
local judging  = require "woolly.judging"
local metrics  = require "woolly.metrics"
local options  = require "woolly.options"
local session  = require "woolly.session"
local stored   = require "woolly.stored"
local woolly   = require "woolly"

local plan = {}

local DEFAULT_MODEL <const>, DEFAULT_PRESET <const> = "synth:110m-q4_0", "p1"
local DEFAULT_RUNS <const>, DEFAULT_WARMUP <const> = 5, 1

---@class woolly.Plan
---@field unit table                what was declared
---@field name string
---@field tests {name: string, scenario: woolly.Scenario, p: woolly.Values}[]
---@field values table<string, any> common options
---@field given table<string, boolean>
---@field switches table<string, any>
---@field model string|false        what --model says; false: the scenario has none
---@field gate? woolly.GateFile     with left_out: limits that are about other scenarios
---@field store? string             nil: not kept
---@field baseline? table           document to compare with
---@field params table<string, any> the script's own options: part of what makes two runs alike
---@field is_part boolean           one test of a phase, judged by the phase's gate

--- The scenarios that make up a unit.
local function tests_of(unit, name, path)
  if woolly.kind(unit) == "scenario" then return { { name = name, scenario = unit } } end
  local tests = {}
  for i, test in ipairs(unit.tests) do
    local beside = files.folder(path) .. "/" .. test .. ".lua"
    local found = require("woolly.process").exists(beside) and beside or files.script(test)
    local scenario = files.load_script(found)
    if woolly.kind(scenario) ~= "scenario" then
      failure.raise(string.format("%s: tests: %s is no scenario", path, test))
    end
    tests[i] = { name = test, scenario = scenario }
  end
  return tests
end

--- Option specs of the unit's own params (a phase has those of its tests), and the common ones
--- with this unit's defaults.
local function specs_of(unit, tests)
  local own, seen = options.from_params(unit.params), {}
  for _, spec in ipairs(own) do seen[spec.name] = true end
  if unit.tests then
    for _, test in ipairs(tests) do
      for _, spec in ipairs(options.from_params(test.scenario.params)) do
        if not seen[spec.name] then own[#own + 1] = spec end
        seen[spec.name] = true
      end
    end
  end
  local defaults = { preset = unit.preset or DEFAULT_PRESET, target = unit.target or "native" }
  if unit.model ~= false then defaults.model = unit.model or DEFAULT_MODEL end
  local common = {}
  for _, spec in ipairs(options.scenario) do
    if not seen[spec.name] and (spec.name ~= "model" or unit.model ~= false) then
      local copy = {}
      for key, value in pairs(spec) do copy[key] = value end
      copy.default = defaults[spec.name] or spec.default
      common[#common + 1] = copy
    end
  end
  return own, common
end

local function metrics_of(tests)
  local names, known = {}, {}
  for _, test in ipairs(tests) do
    for _, name in ipairs(test.scenario.metrics or {}) do
      if not known[name] then names[#names + 1] = name end
      known[name] = true
    end
  end
  return names, known
end

--- The gate that was asked for, whole; or the scenario's own, as far as it is about what this
--- scenario measures.
local function choose_gate(unit, tests, path, values)
  if values.config then
    local found = files.config(values.config)
    if found then return found end
  end
  local beside = files.folder(path)
  if values.gate then return files.gate(values.gate, beside) end
  if not unit.gate then return nil end
  local found = files.gate(unit.gate, beside)
  if unit.tests then return found end
  local _, known = metrics_of(tests)
  found.gate, found.left_out = judging.part(found.gate, function(name)
    return known[(metrics.find(name) or {}).name]
  end)
  return next(found.gate.limits) and found or nil
end

--- Is this one test of a phase, judged by the phase's gate?
local function is_part(unit, tests, gate)
  if unit.tests or not gate or not gate.name:match("^phase%d$") then return false end
  if gate.left_out then return true end
  local _, known = metrics_of(tests)
  for name in pairs(gate.gate.limits) do
    if not known[(metrics.find(name) or {}).name] then return true end
  end
  return false
end

local function load_baseline(values)
  local which = values.baseline
  if which == "stable" or which == "yesterday" then
    if values.store == "none" then
      failure.raise(string.format("--baseline %s: needs the history of a store; name a file or a "
                                  .. "--store", which))
    end
  elseif which then
    stored.document(which, values.store, "--baseline") -- refused now, not after an hour
  end
  if not values.compare then return nil end
  return stored.document(values.compare, values.store, "--compare")
end

--- Refuses a target that the tests cannot use and names no one knows.
local function check_target(tests, values)
  session.check_target(values.target)
  for _, test in ipairs(tests) do
    if test.scenario.needs == "native" and not session.is_embedded(values.target) then
      failure.raise(string.format("--target %s: %s looks inside the engine and needs --target "
                                  .. "native", values.target, test.name))
    end
  end
  if (values.faults ~= nil) ~= (values.target == "faulty") then
    failure.raise("--target faulty and --faults LIST go together; faulty without a fault is native")
  end
  failure.must(require("woolly.engine").preset(values.preset))
end

--- What measure and setup of one test get.
local function values_for(test, values, given, switches)
  local p = {}
  for _, spec in ipairs(options.from_params(test.scenario.params)) do
    local value = spec.default
    if given[spec.name] then value = values[spec.name] end
    p[spec.name] = value
  end
  p.preset, p.switches, p.threads = values.preset, switches, values.threads
  p.seed, p.target, p.duration, p.gate = values.seed, values.target, values.duration, values.gate
  p.quiet, p.faults, p.url = values.quiet, values.faults, values.url
  p.n_runs = values.runs or test.scenario.runs or DEFAULT_RUNS
  p.warmup = values.warmup or test.scenario.warmup or DEFAULT_WARMUP
  return p
end

--- Refuses a gate that asks for more than this machine can tell, as far as that was calibrated.
local function refuse_too_tight(gate, tests)
  local refusal = floor.gate_refusal(floor.kept(), gate, function(metric)
    for _, test in ipairs(tests) do
      for _, name in ipairs(test.scenario.metrics or {}) do
        if name == metric then return test.p.n_runs, (test.scenario.rounds or {})[name] end
      end
    end
  end)
  if refusal then failure.raise("gate: " .. refusal, "unavailable") end
end

--- Reads the words behind the script's name. nil and the help text when --help is among them.
---@param unit table
---@param name string
---@param path string
---@param words string[]
---@return woolly.Plan? plan
---@return string? help
function plan.make(unit, name, path, words)
  local tests = tests_of(unit, name, path)
  local own, common = specs_of(unit, tests)
  local all = table.move(common, 1, #common, #own + 1, table.move(own, 1, #own, 1, {}))
  local values, positional, given = options.parse(words, all)
  if values.help then
    return nil, help.render(name, unit, own, common, {
      metrics = metrics_of(tests), gate = choose_gate(unit, tests, path, values) })
  end
  if positional[1] then
    failure.raise(string.format("unexpected word '%s'. Options begin with --; %s.lua --help "
                                .. "lists them", positional[1], name))
  end
  -- The gate of a phase judges that phase's preset unless another is named.
  local phase = (values.gate or ""):match("^phase(%d)$")
  if phase and not given.preset then values.preset = "p" .. phase end
  check_target(tests, values)
  local switches = options.switches(values.switches)
  local made = {
    unit = unit, name = name, tests = tests, values = values, given = given, switches = switches,
    model = values.model or false, gate = choose_gate(unit, tests, path, values),
    store = values.store ~= "none" and values.store or nil, baseline = load_baseline(values),
    params = {},
  }
  for _, spec in ipairs(own) do made.params[spec.name] = values[spec.name] end
  -- What a server elsewhere has loaded is known only when it is named.
  if values.target == "null"
     or values.target == "openai" and values.url and not given.model then
    made.model = false
  end
  made.is_part = is_part(unit, tests, made.gate)
  for _, test in ipairs(tests) do test.p = values_for(test, values, given, switches) end
  if made.gate then refuse_too_tight(made.gate.gate, tests) end
  return made
end

--- What would be done, for --dry-run.
---@param made woolly.Plan
---@return string
function plan.describe(made)
  local lines = {}
  local function add(what, ...) lines[#lines + 1] = string.format("%-8s " .. what, ...) end
  add("%s", "target", made.values.target)
  if made.model then
    local path = made.model
    if not path:match("^%l+:") and not require("woolly.process").exists(path) then
      failure.raise(string.format("model: %s: no such file", path))
    end
    add("%s", "model", path)
    if session.is_embedded(made.values.target) then
      add("%s %s", "preset", made.values.preset, made.values.switches or "")
    end
  end
  for _, test in ipairs(made.tests) do
    add("%s, %d warm-up and %d measured runs", "test", test.name, test.p.warmup, test.p.n_runs)
  end
  if made.gate then
    local names = {}
    for metric in pairs(made.gate.gate.limits) do names[#names + 1] = metric end
    metrics.sort(names)
    add("%s (%s): %s", "gate", made.gate.name, made.gate.path, table.concat(names, ", "))
  end
  add("%s", "store", made.store or "none")
  return table.concat(lines, "\n") .. "\nNothing was measured.\n"
end

return plan

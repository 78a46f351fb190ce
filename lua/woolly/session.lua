--- What one run of the program has open: the scenario's values, models shared by the tests of a
--- phase, the words `woolly.model`, `woolly.context` and `woolly.target` stand for.
local failure = require "woolly.failure"
local suggest = require "woolly.suggest"

local session = { models = {}, order = {} }

local TARGETS <const> = { "native", "openai", "llama_cpp", "null", "faulty" }

-- Targets that are the embedded engine: with a model, a preset and a white box.
local EMBEDDED <const> = { native = true, faulty = true }

local FIRST_MAPPED <const> = 3 -- presets from p3 on map the file instead of reading it

--- Does this preset, with these switches, map the model's file?
---@param p woolly.Values
---@return boolean
function session.maps(p)
  local switch = (p.switches or {}).mmap
  if switch ~= nil then return switch end
  return (tonumber((p.preset or ""):match("^p(%d+)$")) or 0) >= FIRST_MAPPED
end

--- Loads a model once per path and way of loading; the session closes it.
---@param p woolly.Values
---@param load_options? woolly.engine.LoadOptions
---@return woolly.engine.Model
function session.model(p, load_options)
  local engine, clock = require "woolly.engine", require "woolly.clock"
  local mmap = (load_options or {}).mmap
  if mmap == nil then mmap = session.maps(p) end
  local key = p.model .. "|" .. tostring(mmap)
  local entry = session.models[key]
  if not entry then
    local start = clock.now_ns()
    local model = failure.must(engine.load(p.model, { mmap = mmap }))
    entry = { model = model, load_ns = clock.now_ns() - start }
    session.models[key] = entry
    session.order[#session.order + 1] = entry
  end
  return entry.model, entry.load_ns
end

--- Is this target the embedded engine?
---@param name string
---@return boolean
function session.is_embedded(name)
  return EMBEDDED[name] or false
end

--- A context with p's preset, switches and planted faults; options override them.
---@return woolly.engine.Context
function session.context(model, p, context_options)
  local merged = { preset = p.preset }
  for key, value in pairs(p.switches or {}) do
    if key ~= "mmap" then merged[key] = value end
  end
  merged.faults = p.faults
  if p.threads then merged.threads = p.threads[1] end
  for key, value in pairs(context_options or {}) do merged[key] = value end
  return failure.must(model:context(merged))
end

--- Raises when there is no such target.
---@param name string
function session.check_target(name)
  for _, known in ipairs(TARGETS) do
    if name == known then return end
  end
  failure.raise(string.format("--target: unknown target '%s', allowed: %s%s", name,
    table.concat(TARGETS, ", "), suggest.hint(name, { table.unpack(TARGETS) })))
end

---@param p woolly.Values
---@return woolly.Target
function session.target(p)
  session.check_target(p.target)
  return failure.must(require("woolly.targets." .. p.target).open(p))
end

--- The first model loaded, for the report.
---@return woolly.engine.Model?
function session.main_model()
  return session.order[1] and session.order[1].model
end

--- Is it a model that the session closes?
---@return boolean
function session.owns(thing)
  for _, entry in ipairs(session.order) do
    if entry.model == thing then return true end
  end
  return false
end

--- Closes every model. Contexts are closed by then.
function session.close()
  for i = #session.order, 1, -1 do pcall(session.order[i].model.close, session.order[i].model) end
  session.models, session.order = {}, {}
end

return session

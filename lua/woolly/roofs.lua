--- The roofs of this machine: measured, and kept per machine. What they allow is work.lua's.
local failure = require "woolly.failure"
local report  = require "woolly.report.json"
local work    = require "woolly.work"

local roofs = {}

roofs.SCHEMA = "woolly-roofline/1"
local LEVELS <const> = { "l1", "l2", "l3", "dram" }
local QUICK_S <const> = 3
-- Shorter than the scheduler's slices: on a busy machine some samples still have it to themselves.
local SAMPLE_MS <const> = { l1 = 2, l2 = 2, l3 = 2, dram = 4, f32 = 2, int8 = 2, int4 = 2 }
-- Memory takes longest to prepare, and is what decode needs.
local TIME_SHARES <const> = { l1 = 0.1, l2 = 0.1, l3 = 0.14, dram = 0.32, f32 = 0.1, int8 = 0.12, int4 = 0.12 }

---@class woolly.ThreadRoofs   roofs of a number of threads together
---@field l1? number           10^9 bytes/s; likewise l2, l3, dram
---@field f32 number           10^9 multiply-adds/s
---@field int8 number
---@field int4 number           of weights of few bits
---@field capacity table<string, integer>   bytes that the caches l1, l2, l3 hold for them

---@class woolly.Roofs
---@field fingerprint string
---@field method integer
---@field measured string      RFC 3339
---@field threads table<string, woolly.ThreadRoofs>   by number of threads, as text

-- ---- measuring ----

--- Numbers of threads worth measuring: 1, 2, 4, ... and all.
---@param n_online integer
---@return integer[]
function roofs.thread_counts(n_online)
  local list, n = {}, 1
  while n < n_online do
    list[#list + 1], n = n, 2 * n
  end
  list[#list + 1] = math.max(n_online, 1)
  return list
end

-- What is measured for one number of threads: { name, share of the time, options of measure }.
local function steps_of(n_threads)
  local roofline, steps = require "woolly.roofline", {}
  local sets, isas, capacity = roofline.sets(n_threads), roofline.isas(), {}
  for _, level in ipairs(LEVELS) do
    if sets[level] then
      local options = { what = "read", bytes = sets[level].bytes }
      steps[#steps + 1] = { level, TIME_SHARES[level], options }
      capacity[level] = sets[level].capacity
    end
  end
  local first = math.min(2, #isas) -- scalar is nobody's peak, unless there is nothing else
  for i = first, #isas do
    for _, what in ipairs { "f32", "int8", "int4" } do
      steps[#steps + 1] = { what, TIME_SHARES[what] / (#isas - first + 1),
                            { what = what, isa = isas[i] } }
    end
  end
  return steps, capacity
end

--- Measures the roofs of a number of threads in about that many seconds.
---@param n_threads integer
---@param seconds number
---@param on_step? fun(share: number)   of the seconds that are spent
---@return woolly.ThreadRoofs? found, string? message, string? code
function roofs.measure(n_threads, seconds, on_step)
  local roofline, done = require "woolly.roofline", 0
  local steps, capacity = steps_of(n_threads)
  local found = { capacity = capacity }
  for _, step in ipairs(steps) do
    local name, share, options = table.unpack(step)
    if on_step then on_step(done) end
    local sample_ms = math.min(SAMPLE_MS[name], seconds * share * 1000 / 2)
    options.threads, options.sample_ms = n_threads, math.max(0.05, sample_ms)
    options.samples = math.max(2, math.floor(seconds * share * 1000 / options.sample_ms))
    local result, message, code = roofline.measure(options)
    if not result then return nil, message, code end
    found[name] = math.max(found[name] or 0, result.best)
    done = done + share
  end
  return found
end

-- ---- keeping ----

--- Where the figures of this machine are kept.
---@return string? path, string? message, string? code
function roofs.path()
  local machine, process = require "woolly.machine", require "woolly.process"
  local folder, message, code = process.cache_folder()
  if not folder then return nil, message, code end
  return string.format("%s/roofline-%s.json", folder, machine.info().fingerprint)
end

--- Why figures of this program would not be those of the machine: nil when they are.
---@return string?
function roofs.unfit()
  local build = require("woolly.engine").build_info()
  if build.sanitizers ~= "" then return "a build with sanitizers: its loops are no roof" end
  if build.build_type == "Debug" then return "a debug build: its loops are no roof" end
  return nil
end

local function empty()
  return { schema = roofs.SCHEMA, fingerprint = require("woolly.machine").info().fingerprint,
           method = require("woolly.roofline").method(), measured = require("woolly.clock").utc(),
           threads = {} }
end

-- A file that another version wrote, or that is damaged, is as good as none.
local function is_usable(kept)
  local now = empty()
  if type(kept) ~= "table" or kept.schema ~= now.schema or kept.fingerprint ~= now.fingerprint
      or kept.method ~= now.method or type(kept.threads) ~= "table" then
    return false
  end
  for _, at in pairs(kept.threads) do
    if type(at) ~= "table" or type(at.capacity) ~= "table" then return false end
    for _, name in ipairs { "dram", "f32", "int8", "int4" } do
      if type(at[name]) ~= "number" or at[name] <= 0 then return false end
    end
  end
  return true
end

--- The kept figures, or nil.
---@return woolly.Roofs?
function roofs.kept()
  local json, process = require "woolly.json", require "woolly.process"
  local path = roofs.path()
  local text = path and process.read_file(path)
  local found = text and json.decode(text, path)
  return is_usable(found) and found or nil
end

--- Both figures' best: a disturbance only ever makes one smaller.
---@param kept woolly.Roofs
---@param found woolly.Roofs
---@return woolly.Roofs
function roofs.merge(kept, found)
  local merged = { schema = found.schema, fingerprint = found.fingerprint, method = found.method,
                   measured = found.measured, threads = {} }
  for n, at in pairs(kept.threads) do merged.threads[n] = at end
  for n, at in pairs(found.threads) do
    local best = { capacity = at.capacity }
    for key, value in pairs(at) do
      if key ~= "capacity" then best[key] = math.max(value, (kept.threads[n] or {})[key] or 0) end
    end
    merged.threads[n] = best
  end
  return merged
end

--- Keeps figures, the best of them and of those that are kept already.
---@param found woolly.Roofs
---@return woolly.Roofs? kept, string? message, string? code
function roofs.keep(found)
  local json, process = require "woolly.json", require "woolly.process"
  local path, message, code = roofs.path()
  if not path then return nil, message, code end
  local kept = roofs.kept()
  local merged = kept and roofs.merge(kept, found) or found
  local ok
  ok, message, code = process.write_file(path, json.encode(merged, { indent = true }) .. "\n")
  if not ok then return nil, message, code end
  return merged
end

--- Forgets what is kept.
---@return true? ok, string? message, string? code
function roofs.forget()
  local json, process = require "woolly.json", require "woolly.process"
  local path, message, code = roofs.path()
  if not path then return nil, message, code end
  return process.write_file(path, json.encode(empty(), { indent = true }) .. "\n")
end

--- Measures for several numbers of threads, with a line of progress.
---@param counts integer[]
---@param seconds number   altogether
---@param quiet? boolean
---@return woolly.Roofs? found, string? message, string? code
function roofs.measure_all(counts, seconds, quiet)
  local line = require("woolly.progress").new { quiet = quiet }
  local _ <close> = setmetatable({}, { __close = function() line:clear() end })
  local found = empty()
  for i, n in ipairs(counts) do
    local at, message, code = roofs.measure(n, seconds / #counts, function(share)
      line:share(string.format("measuring what this machine can do, %d thread%s", n,
                               n == 1 and "" or "s"), i - 1 + share, #counts)
    end)
    if not at then return nil, message, code end
    found.threads[tostring(n)] = at
  end
  return found
end

--- Of a scenario's param "roofs".
roofs.param = { default = "kept", choices = { "kept", "fresh", "off" },
                help = "roofs to compare with: kept per machine (about 3 s the first time), "
                  .. "measured afresh in this run, or off" }

--- The roofs for a run with these numbers of threads: kept ones, measured when there are none.
---@param p woolly.Values     roofs, quiet
---@param counts integer[]
---@return woolly.Roofs? found
---@return string? reason     why there are none
function roofs.load(p, counts)
  if p.roofs == "off" then return nil, "roofs are off" end
  local unfit = roofs.unfit()
  if unfit then return nil, unfit end
  local kept, missing = p.roofs ~= "fresh" and roofs.kept() or nil, {}
  for _, n in ipairs(counts) do
    if not kept or not kept.threads[tostring(n)] then missing[#missing + 1] = n end
  end
  if #missing == 0 then return kept end
  local found, message, code = roofs.measure_all(missing, QUICK_S * #missing, p.quiet)
  if not found then
    if code == "cancelled" then failure.raise(message, code) end
    return nil, message
  end
  local merged = roofs.keep(found) -- a cache folder that cannot be written costs the next run time
  return p.roofs ~= "fresh" and merged or found
end

--- Gives a metric its roof, or the reason why it has none.
---@param m woolly.Recorder
---@param metric string
---@param found? woolly.Roofs   from load, with its
---@param reason? string
---@param unit woolly.Work
---@param convert? fun(per_second: number): number   to the metric's unit
function roofs.attach(m, metric, found, reason, unit, convert)
  if not found then return m:roof(metric, nil, reason) end
  local most, by = work.limit(found, unit)
  m:roof(metric, most and convert and convert(most) or most, by, function(again)
    roofs.attach(m, metric, again, nil, unit, convert)
  end)
end

--- Measures the roofs anew where a figure lies above its own: one of the two is wrong, and a busy
--- machine shows roofs that are too low.
---@param m woolly.Recorder
---@param quiet? boolean
function roofs.settle(m, quiet)
  local over = {}
  for _, name in ipairs(m.order) do
    local measured = m.measured[name]
    local share = measured.attach_again and report.roof_share(name, measured)
    if share and share > report.OVER_ROOF then over[#over + 1] = measured end
  end
  if #over == 0 then return end
  local counts = roofs.thread_counts(require("woolly.machine").info().n_online)
  local found, message, code = roofs.measure_all(counts, QUICK_S * #counts, quiet)
  if not found then
    if code == "cancelled" then failure.raise(message, code) end
    return
  end
  local kept = roofs.keep(found) or found
  for _, measured in ipairs(over) do measured.attach_again(kept) end
end

return roofs

--- Several scenarios as one piece of evidence: each runs in a process of its own and is kept in the
--- store as soon as it ends, so that an interrupted campaign goes on where it stopped.
local campaign_part = require "woolly.campaign_part"
local child    = require "woolly.child"
local clock    = require "woolly.clock"
local failure  = require "woolly.failure"
local files    = require "woolly.files"
local gate     = require "woolly.gate"
local json     = require "woolly.json"
local judging  = require "woolly.judging"
local metrics  = require "woolly.metrics"
local process  = require "woolly.process"
local recorder = require "woolly.recorder"
local report   = require "woolly.report.json"
local store    = require "woolly.store"
local stored   = require "woolly.stored"

local campaign = {}

local TAG <const> = "campaign"

---@class woolly.CampaignPart
---@field name string           of the script
---@field words string[]        its options
---@field is_tool? boolean      a campaign itself
---@field takes? string[]       metrics that count; nil: all that no part before gave

---@class woolly.Campaign
---@field name string
---@field title string
---@field parts woolly.CampaignPart[]
---@field gate string           file or name in gates/
---@field p woolly.Values       store, quiet, json, fresh
---@field notes? string[]       to be known before it begins, and in the report

---@class woolly.CampaignResult
---@field document? table       the part's report
---@field status integer
---@field message? string       why there is no report
---@field is_kept? boolean      it was there already

local function git(...)
  local result = process.run { "git", ... }
  return result and result.status == 0 and result.out:gsub("%s+$", "") or nil
end

--- What must be alike for parts of an interrupted campaign to count: scripts, options, machine,
--- program.
local function key_of(one)
  local info, words = require("woolly.engine").build_info(), { one.name }
  words[2] = info.version .. (info.commit and "-" .. info.commit or "")
  words[3] = require("woolly.machine").info().fingerprint
  for _, part in ipairs(one.parts) do
    words[#words + 1] = part.name .. " " .. table.concat(part.words, " ")
  end
  local hash = 0xcbf29ce484222325 -- FNV-1a
  for byte in table.concat(words, "\n"):gmatch "." do
    hash = (hash ~ byte:byte()) * 1099511628211
  end
  return string.format("%s-%016x", one.name, hash)
end

--- Ids of the parts kept since the last campaign of that key ended, by script.
local function kept_parts(url, key)
  local found = {}
  if not stored.exists(url) then return found end
  local kept <close> = failure.must(store.open(url, { read_only = true }))
  local tags = failure.must(kept:tags(TAG))
  for _, tag in ipairs(failure.must(kept:tags "within")) do tags[#tags + 1] = tag end
  table.sort(tags, function(a, b) return a.seq < b.seq end)
  for _, tag in ipairs(tags) do
    if (tag.key == TAG or tag.key == "within") and tag.value == key then
      local document = stored.run(kept, tag.id)
      local script = document and document.run.scenario
      if script and document.run.status == "complete" then found[script] = document end
      if script and script == key:match "^(.-)%-%x+$" then found = {} end -- it ended: a new one
    end
  end
  return found
end

local WORDS <const> = { [0] = "passed", "FAILED", "cannot judge", "bad input", "environment",
                        "bug" }

--- A file, a name in gates/, or phase_N.
---@param name string
---@return {name: string, gate: woolly.Gate}
function campaign.gate_of(name)
  return files.gate((name:gsub("^phase_(%d)$", "phase%1")))
end

--- Refuses an unknown gate now, not in an hour.
---@param p woolly.Values
function campaign.check_gate(p)
  if p.gate then campaign.gate_of(p.gate) end
end

--- Runs what is missing. Prints a line for each part as it ends.
---@param one woolly.Campaign
---@return table<string, woolly.CampaignResult> results   by part
---@return string key
function campaign.run(one)
  if one.p.store == "none" then
    failure.raise("--store none: a campaign lives on what is stored")
  end
  local key = key_of(one)
  local kept = one.p.fresh and {} or kept_parts(one.p.store, key)
  local results = {}
  local function say(...)
    if one.p.json ~= "-" and not one.p.quiet then
      io.write(string.format(...), "\n")
      io.flush()
    end
  end
  for _, note in ipairs(one.notes or {}) do say("note: %s", note) end
  for i, part in ipairs(one.parts) do
    local head = string.format("== %d of %d: %s", i, #one.parts, part.name)
    if kept[part.name] then
      results[part.name] = { document = kept[part.name], status = kept[part.name].status,
                             is_kept = true }
      say("%s: kept from %s (run %s)", head, kept[part.name].run.started, kept[part.name].run.id)
    else
      local start = clock.now_ns()
      local result = campaign_part.run(part, one.p, head, key)
      results[part.name] = result
      say("%s: %s, %.0f s%s", head, WORDS[result.status] or "status " .. result.status,
          (clock.now_ns() - start) / 1e9, result.message and ": " .. result.message or "")
    end
  end
  return results, key
end

-- ---- one report of all ----

local function take(measured, order, name, from)
  if measured[name] and #measured[name].samples > 0 then return end
  if not measured[name] then order[#order + 1] = name end
  measured[name] = { samples = from.samples, reason = from.reason, roof = from.roof,
                     roof_by = from.roof_by }
end

local function merge(one, results)
  local measured, order, notes, model = {}, {}, { table.unpack(one.notes or {}) }, nil
  for _, part in ipairs(one.parts) do
    local result = results[part.name]
    local document = result.document
    if document then
      model = model or document.model
      local found, wanted = report.measured(document), {}
      for _, name in ipairs(part.takes or {}) do wanted[name] = true end
      for _, entry in ipairs(document.metrics) do
        if metrics.all[entry.name] and (not part.takes or wanted[entry.name]) then
          take(measured, order, entry.name, found[entry.name])
        end
      end
      notes[#notes + 1] = string.format("%s: %s, run %s of %s%s", part.name,
        WORDS[result.status] or "?", document.run.id, document.run.started,
        result.is_kept and ", kept" or "")
    else
      notes[#notes + 1] = string.format("%s: no result: %s", part.name, result.message)
      for _, name in ipairs(part.takes or {}) do
        take(measured, order, name, { samples = {}, reason = part.name .. ": " .. result.message })
      end
    end
  end
  return measured, order, notes, model
end

--- Whether all other limits of the gate hold, as the metric final_acceptance.
local function accept(g, measured, order)
  if not g.limits.final_acceptance then return end
  local others = { limits = {} }
  for name, limit in pairs(g.limits) do
    if name ~= "final_acceptance" then others.limits[name] = limit end
  end
  local judged = gate.judge(others, measured)
  local entry = { samples = {} }
  if judged.verdict == "pass" then
    entry.samples[1] = 1
  elseif judged.verdict == "fail" then
    entry.samples[1] = 0
  else
    for _, limit in ipairs(judged.limits) do
      if limit.verdict ~= "pass" then
        entry.reason = string.format("%s is %s", limit.metric, limit.verdict)
        break
      end
    end
  end
  if not measured.final_acceptance then order[#order + 1] = "final_acceptance" end
  measured.final_acceptance = entry
end

--- Judges all parts together by the gate, keeps the report, prints it.
---@param one woolly.Campaign
---@param results table<string, woolly.CampaignResult>
---@param key string
---@param started string
---@return table document, integer status
function campaign.conclude(one, results, key, started)
  require("woolly.stats").accelerate(require "woolly.numeric")
  local found = campaign.gate_of(one.gate)
  local measured, order, notes, model = merge(one, results)
  accept(found.gate, measured, order)
  local commit = git("rev-parse", "--short=12", "HEAD")
  local recorded = recorder.new()
  recorded.measured, recorded.order = measured, order
  local document = report.build({
    id = store.new_id(), scenario = one.name, title = one.title, started = started,
    target = "native", preset = one.p.preset, seed = 1, commit = commit,
    dirty = commit and git("status", "--porcelain", "--untracked-files=no") ~= "" or false,
    tags = { [TAG] = key, within = one.p.within }, params = {}, status = "complete",
  }, { machine = require("woolly.machine").info(), model = model, order = order,
       measured = measured, checks = {}, notes = notes, status = 0 })
  judging.apply(document, found.name, found.gate)
  document.status = judging.status(document)
  local kept <close> = failure.must(store.open(one.p.store))
  failure.must(kept:save(report.for_json(document, json)))
  return document, document.status
end

--- Keeps that the campaign has ended, where it has no gate of its own.
---@param one woolly.Campaign
---@param key string
---@param started string
---@param status integer
function campaign.close(one, key, started, status)
  local kept <close> = failure.must(store.open(one.p.store))
  local document = report.build({
    id = store.new_id(), scenario = one.name, title = one.title, started = started,
    target = "native", preset = one.p.preset, seed = 1, tags = { [TAG] = key }, params = {},
    status = "complete", dirty = false,
  }, { machine = require("woolly.machine").info(), order = {}, measured = {}, checks = {},
       notes = {}, status = status })
  failure.must(kept:save(report.for_json(document, json)))
end

--- Options that every campaign has.
---@param more? table<string, woolly.Param>
function campaign.params(more)
  local params = {
    preset = { default = "p5", help = "engine switches" },
    threads = { type = "list", help = "worker threads" },
    store = { default = "woolly.db", help = "where the runs are kept, also those of the parts" },
    within = { type = "string", help = "tag of the campaign that this one is a part of" },
    fresh = { type = "boolean", help = "begin anew: what an interrupted one kept is not used" },
    json = require("woolly.common").json_param,
  }
  for name, param in pairs(more or {}) do params[name] = param end
  return params
end

--- Options of p that parts share, as words.
---@param p woolly.Values
---@return string[]
function campaign.shared(p)
  return child.options(p, { "model", "preset", "threads" })
end

--- The words of a part: the shared ones and its own.
---@param p woolly.Values
---@param ... string
---@return string[]
function campaign.words(p, ...)
  local words, own = campaign.shared(p), { ... }
  return table.move(own, 1, #own, #words + 1, words)
end

--- Text or JSON of the report, as the scenarios print it.
---@param p woolly.Values
---@param document table
function campaign.print(p, document)
  local common, text = require "woolly.common", require "woolly.report.text"
  local rendered = text.render(document, { kept = p.store }):gsub("\n$", "")
  common.print(p, report.for_json(document, json), rendered)
end

return campaign

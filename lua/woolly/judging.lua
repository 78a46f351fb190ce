--- Puts a gate's verdict into a report: after a run, and again over a stored one. Pure.
local gate   = require "woolly.gate"
local report = require "woolly.report.json"

local judging = {}

-- Every limit that pred picks gets this verdict.
local function overrule(judged, verdict, reason, pred)
  for _, limit in ipairs(judged.limits) do
    if pred(limit) then
      limit.verdict, limit.reason = verdict, reason
      if judged.verdict ~= "fail" then judged.verdict = verdict end
    end
  end
end

--- The part of a gate that is about these metrics.
---@param g table
---@param is_known fun(metric: string): boolean
---@return table gate
---@return integer? left_out   limits that are about other metrics, when there are any
function judging.part(g, is_known)
  local limits, left_out = {}, 0
  for name, limit in pairs(g.limits) do
    if is_known(name) then
      limits[name] = limit
    else
      left_out = left_out + (limit.min and 1 or 0) + (limit.max and 1 or 0)
        + (limit.equals ~= nil and 1 or 0)
    end
  end
  return { title = g.title, limits = limits, targets = g.targets }, left_out > 0 and left_out or nil
end

--- Judges document by gate g, sets document.gate.
---@param document table
---@param name string
---@param g table
---@param left_out? integer   limits that judging.part left out
---@return string verdict
function judging.apply(document, name, g, left_out)
  local judged = gate.judge(g, report.measured(document), { roofs = report.roofs(document) })
  local checks = document.checks or {}
  local last = checks[#checks] -- the first check that fails is the last one made
  if last and not last.ok then
    overrule(judged, "fail", "nothing was timed, check: " .. last.what,
             function() return true end)
  elseif document.run.status == "partial" then
    -- What was cut short is never passed on the samples that it got.
    overrule(judged, "missing", "the run was cut short", function(limit)
      return limit.verdict == "pass" or limit.verdict == "inconclusive"
    end)
  end
  report.set_gate(document, name, g, judged, left_out)
  return judged.verdict
end

--- The exit status of a report that ended by itself.
---@param document table
---@return integer
function judging.status(document)
  if document.gate then return gate.status(document.gate.verdict) end
  return document.run.status == "partial" and 2 or 0
end

return judging

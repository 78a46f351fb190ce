--- The page of evidence before a release: what was judged, by which runs, and what was looked at.
local metrics = require "woolly.metrics"
local options = require "woolly.options"

local evidence = {}

local WORDS <const> = { [0] = "pass", "FAIL", "cannot judge", "bad input", "environment", "bug" }
local PAGES <const> = { "README.md", "docs/guide.md", "docs/scenario-api.md", "docs/reference.md",
                        "docs/metrics.md", "docs/internals.md" }

---@class woolly.EvidencePart
---@field name string
---@field status integer
---@field run? string
---@field limits table[]     metric, verdict, value, wanted, reason
---@field message? string

--- One part of a campaign with the limits of its gate.
---@param name string
---@param result woolly.CampaignResult
---@return woolly.EvidencePart
function evidence.part(name, result)
  local part = { name = name, status = result.status, message = result.message, limits = {} }
  local document = result.document
  if not document then return part end
  part.run, part.started = document.run.id, document.run.started
  for i, limit in ipairs(document.gate and document.gate.limits or {}) do
    part.limits[i] = { metric = limit.metric, verdict = limit.verdict, reason = limit.reason,
                       value = limit.value, bound = limit.bound, limit = limit.limit }
  end
  return part
end

-- ---- documentation and version ----

--- What a release needs beside figures: name, whether it holds, why not.
---@param files table     woolly.files
---@param process table   woolly.process
---@return {name: string, ok: boolean, reason?: string}[]
function evidence.checks(files, process)
  local checks, pages = {}, {}
  local function check(name, ok, reason)
    checks[#checks + 1] = { name = name, ok = ok and true or false,
                            reason = not ok and reason or nil }
  end
  local folder = process.source_folder
  for _, page in ipairs(PAGES) do
    local path = folder .. "/" .. page
    pages[page] = process.exists(path) and process.read_file(path) or nil
    check(page .. " is there", pages[page], "no such file under " .. folder)
  end
  local lacks = {}
  for _, name in ipairs(metrics.order) do
    if not (pages["docs/metrics.md"] or ""):find("`" .. name .. "`", 1, true) then
      lacks[#lacks + 1] = name
    end
  end
  check("docs/metrics.md names every metric", #lacks == 0, "without " .. table.concat(lacks, ", "))
  lacks = {}
  for _, spec in ipairs(options.scenario) do
    if not (pages["docs/guide.md"] or ""):find("`--" .. spec.name, 1, true) then
      lacks[#lacks + 1] = "--" .. spec.name
    end
  end
  check("docs/guide.md names every option", #lacks == 0, "without " .. table.concat(lacks, ", "))
  lacks = {}
  for _, entry in ipairs(files.scenarios()) do
    local ok, unit = pcall(files.load_script, entry.path)
    if not ok or type(unit) ~= "table" or not unit.about then lacks[#lacks + 1] = entry.name end
  end
  check("every script can be loaded and says what it is about", #lacks == 0,
        table.concat(lacks, ", "))
  evidence.version_checks(check, process)
  return checks
end

local function git(process, ...)
  local result = process.run { "git", "-C", process.source_folder, ... }
  return result and result.status == 0 and result.out:gsub("%s+$", "") or nil
end

function evidence.version_checks(check, process)
  local info = require("woolly.engine").build_info()
  local cmake = process.read_file(process.source_folder .. "/CMakeLists.txt") or ""
  local declared = cmake:match "project%(woolly%-lua VERSION ([%d%.]+)"
  check("the program's version is the project's", declared == info.version,
        string.format("program %s, CMakeLists.txt %s", info.version, tostring(declared)))
  local head = git(process, "rev-parse", "--short=12", "HEAD")
  check("the program was built from the commit that is checked out", head and head == info.commit,
        string.format("program %s, checked out %s", tostring(info.commit), tostring(head)))
  check("nothing is changed since that commit",
        head and git(process, "status", "--porcelain", "--untracked-files=no") == "",
        "git status lists changes, or this is no repository")
  check("a release build", (info.build_type or "") == "Release",
        "it is " .. tostring(info.build_type))
  check("no sanitizers in it", (info.sanitizers or "") == "", tostring(info.sanitizers))
end

-- ---- the whole ----

--- 1 when anything failed, else the worst of what could not be judged, else 0.
---@param found {parts: woolly.EvidencePart[], regression: table, checks: table[]}
---@return integer
function evidence.status(found)
  local worst = 0
  local function count(status)
    if status == 1 then worst = 1 elseif worst ~= 1 and status > worst then worst = status end
  end
  for _, part in ipairs(found.parts) do count(part.status) end
  count(found.regression.status)
  for _, check in ipairs(found.checks) do
    if not check.ok then count(1) end
  end
  return worst
end

local SIGN <const> = { min = ">=", max = "<=", equals = "=" }

--- One page of Markdown.
---@param found table
---@param machine table
---@param info table   build facts
---@return string
function evidence.page(found, machine, info)
  local lines = {}
  local function add(format, ...) lines[#lines + 1] = string.format(format, ...) end
  add("# Release readiness: %s", found.status == 0 and "READY" or found.status == 1 and "NOT READY"
      or "CANNOT JUDGE")
  add("")
  add("woolly-lua %s (%s), %s, machine %s, %s", info.version, tostring(info.commit), found.started,
      machine.fingerprint:sub(1, 6), machine.cpu or "unknown processor")
  add("")
  add("| evidence | verdict | run |")
  add("| --- | --- | --- |")
  for _, part in ipairs(found.parts) do
    add("| %s | %s | %s |", part.name, WORDS[part.status] or "status " .. part.status,
        part.run or part.message or "-")
  end
  add("| regression | %s | %s |", WORDS[found.regression.status] or found.regression.status,
      found.regression.line:gsub("|", "/"))
  local held = 0
  for _, check in ipairs(found.checks) do held = held + (check.ok and 1 or 0) end
  add("| documentation, version | %s | %d of %d hold |", held == #found.checks and "pass" or "FAIL",
      held, #found.checks)
  add("")
  for _, part in ipairs(found.parts) do
    for _, limit in ipairs(part.limits) do
      if limit.verdict ~= "pass" then
        add("- %s: %s %s: %s, %s %g is required%s", part.name, limit.metric, limit.verdict,
            limit.value and string.format("%.4g", limit.value) or "no figure",
            SIGN[limit.bound] or limit.bound, limit.limit,
            limit.reason and " (" .. limit.reason .. ")" or "")
      end
    end
  end
  for _, check in ipairs(found.checks) do
    if not check.ok then add("- %s: no: %s", check.name, check.reason) end
  end
  return table.concat(lines, "\n") .. "\n"
end

return evidence

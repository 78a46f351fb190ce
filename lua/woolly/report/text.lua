--- The result block that people read. Pure: a document in, lines out.
local noise = require "woolly.noise"
local words = require "woolly.report.words"

local text = {}

local MARKS <const> = { pass = "pass", fail = "FAIL", missing = "miss", inconclusive = "open",
                        none = "    " }
local COLORS <const> = { pass = "32", fail = "31;1", missing = "33", inconclusive = "33" }

--- Three significant digits, without an exponent for ordinary sizes.
---@param value number
---@return string
function text.number(value)
  local size = math.abs(value)
  if value == 0 then return "0" end
  if size >= 1e7 or size < 1e-4 then return string.format("%.3g", value) end
  if math.type(value) == "integer" or (value == math.floor(value) and size >= 100) then
    return string.format("%d", math.tointeger(value))
  end
  if size >= 1000 then return string.format("%.0f", value) end
  if size >= 100 then return string.format("%.1f", value) end
  if size >= 10 then return string.format("%.2f", value) end
  if size >= 1 then return string.format("%.3f", value) end
  return string.format("%.3g", value)
end

-- Names come from files and users: nothing in them moves the cursor or turns the line around.
local clean = words.clean

local function value_text(metric)
  if metric.n == 0 then return "" end
  return text.number(metric.median)
end

local function interval_text(metric)
  if metric.n == 0 or not metric.confidence then return "" end
  return string.format("[%s, %s]", text.number(metric.low), text.number(metric.high))
end

local BOUNDS <const> = { min = ">=", max = "<=", equals = "=" }

local function limit_text(limit, targets)
  local part = string.format("limit %s %s", BOUNDS[limit.bound], text.number(limit.limit))
  if limit.stat ~= "median" then part = part .. " (" .. clean(limit.stat) .. ")" end
  local target = (targets or {})[limit.metric]
  if target then part = part .. "  target " .. text.number(target) end
  return part
end

local function roof_text(metric)
  if not metric.roof_share then return "" end
  return string.format("roof %s (share %.0f %%)", text.number(metric.roof),
                       100 * metric.roof_share)
end

-- What sets the roofs, and why there are none: one line for all metrics.
local function roofs_line(document)
  local by, metrics = {}, {}
  for _, metric in ipairs(document.metrics) do
    local what = metric.roof_by and (metric.roof and "" or "none, ") .. clean(metric.roof_by)
    if what and not metrics[what] then
      by[#by + 1], metrics[what] = what, {}
    end
    if what then table.insert(metrics[what], metric.name) end
  end
  for i, what in ipairs(by) do by[i] = clean(table.concat(metrics[what], ", ")) .. ": " .. what end
  return #by > 0 and "roof of " .. table.concat(by, "; ") or nil
end

-- 110M, 8.2B, 260K parameters.
local function size_text(n)
  for _, unit in ipairs { { 1e9, "B" }, { 1e6, "M" }, { 1e3, "K" } } do
    if n >= unit[1] then
      return string.format(n < 10 * unit[1] and "%.1f%s" or "%.0f%s", n / unit[1], unit[2])
    end
  end
  return tostring(n)
end

local function title_line(document)
  local run, model = document.run, document.model
  local right = { "target " .. clean(run.target) }
  if run.preset then right[1] = right[1] .. " " .. clean(run.preset) end
  if model then
    right[#right + 1] = string.format("%s %s %s", clean(model.arch or "?"),
                                      size_text(model.n_params or 0), clean(model.type or "?"))
  end
  if run.switches and run.switches.threads then
    local n = run.switches.threads
    right[#right + 1] = string.format("%d thread%s", n, n == 1 and "" or "s")
  end
  local machine = document.machine and document.machine.fingerprint
  if machine then right[#right + 1] = "machine " .. clean(machine):sub(1, 6) end
  local title = clean(run.title or run.scenario)
  if document.gate and document.gate.title and not document.gate.left_out then
    title = string.format("%s: %s", clean(document.gate.name), clean(document.gate.title))
    title = title:gsub("^phase(%d)", "Phase %1")
  end
  return title, table.concat(right, " - ")
end

-- Rows: judged limits first in the order of metrics, then what is only shown.
local function rows_of(document)
  local by_metric, rows = {}, {}
  for _, limit in ipairs(document.gate and document.gate.limits or {}) do
    by_metric[limit.metric] = by_metric[limit.metric] or {}
    table.insert(by_metric[limit.metric], limit)
  end
  local seen = {}
  local function add(metric, limit)
    local target = (document.gate and document.gate.targets or {})[metric.name]
    rows[#rows + 1] = {
      mark = limit and limit.verdict or metric.n == 0 and "missing" or "none",
      name = clean(metric.name), value = value_text(metric), interval = interval_text(metric),
      limit = limit and limit_text(limit, document.gate.targets)
        or target and "target " .. text.number(target) or "",
      unit = clean(metric.unit or ""), roof = roof_text(metric),
      reason = (not limit or limit.verdict ~= "pass") and (limit and limit.reason or metric.reason),
      n = metric.n,
    }
  end
  local by_name = {}
  for _, metric in ipairs(document.metrics) do by_name[metric.name] = metric end
  for _, limit in ipairs(document.gate and document.gate.limits or {}) do
    seen[limit.metric] = true
    add(by_name[limit.metric] or { name = limit.metric, n = 0 }, limit)
  end
  for _, metric in ipairs(document.metrics) do
    if not seen[metric.name] then add(metric, nil) end
  end
  return rows
end

local function pad(s, width)
  return s .. string.rep(" ", width - utf8.len(s))
end

local function lead(s, width)
  return string.rep(" ", width - utf8.len(s)) .. s
end

local function verdict_line(document)
  local g = document.gate
  if not g then return nil end
  local counts = { fail = 0, missing = 0, inconclusive = 0 }
  for _, limit in ipairs(g.limits) do
    if counts[limit.verdict] then counts[limit.verdict] = counts[limit.verdict] + 1 end
  end
  local name = clean(g.name):upper():gsub("_", " "):gsub("^PHASE(%d)", "PHASE %1")
  if not name:match("GATE$") then name = name .. " GATE" end
  if g.left_out then
    name = string.format("%s, %d OF %d LIMITS", name, #g.limits, #g.limits + g.left_out)
  end
  name = name .. ": "
  if g.verdict == "pass" then return name .. "PASSED", "pass" end
  if g.verdict == "fail" then
    return string.format("%sFAILED (%d of %d limits)", name, counts.fail, #g.limits), "fail"
  end
  local word = g.verdict == "missing" and "not measured" or "undecided"
  return string.format("%sCANNOT JUDGE (%d of %d limits %s)", name, counts[g.verdict], #g.limits,
                       word), "missing"
end

local LEVELS <const> = { [true] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" },
                         [false] = { "_", ".", "-", "=", "+", "*", "#", "@" } }

--- Values as one character each, low to high.
---@param values number[]
---@param utf8_too boolean   the terminal shows more than ASCII
---@return string
function text.spark(values, utf8_too)
  local levels, low, high, out = LEVELS[utf8_too and true or false], math.huge, -math.huge, {}
  for _, value in ipairs(values) do low, high = math.min(low, value), math.max(high, value) end
  -- Less than 2 % is drawn flat: a noise of nothing would look like a mountain range.
  local least = math.abs(high) * 0.02
  local middle, span = (low + high) / 2, math.max(high - low, least)
  for i, value in ipairs(values) do
    local share = span > 0 and (value - middle) / span + 0.5 or 0.5
    out[i] = levels[math.max(1, math.min(#levels, 1 + math.floor(share * #levels)))]
  end
  return table.concat(out)
end

--- Lines of the result block.
---@param document table                 woolly-report/1
---@param options? table   color, width, kept: where; utf8; verbose: checks and counts of samples;
---                         history: by metric, medians of the runs like this one, oldest first
---@return string
function text.render(document, options)
  options = options or {}
  local function paint(s, kind)
    local code = options.color and COLORS[kind]
    return code and "\27[" .. code .. "m" .. s .. "\27[0m" or s
  end
  local lines = {}
  local left, right = title_line(document)
  lines[1] = #left + #right + 2 <= (options.width or 100)
    and left .. string.rep(" ", (options.width or 100) - #left - #right) .. right
    or left .. "\n  " .. right
  local rows, w = rows_of(document), { name = 0, value = 0, interval = 0, unit = 0 }
  for _, row in ipairs(rows) do
    for key in pairs(w) do w[key] = math.max(w[key], utf8.len(row[key])) end
  end
  for _, row in ipairs(rows) do
    local tail
    if row.n == 0 then
      tail = clean(row.reason or "not measured")
      if row.limit ~= "" then tail = row.limit .. "  " .. tail end
    else
      tail = row.limit
      if row.roof ~= "" then tail = (tail ~= "" and tail .. "  " or "") .. row.roof end
      if row.reason then tail = tail .. "  (" .. clean(row.reason) .. ")" end
    end
    local line = string.format("  %s  %s  %s %s  %s  %s", paint(MARKS[row.mark], row.mark),
      pad(row.name, w.name), lead(row.value, w.value), pad(row.unit, w.unit),
      pad(row.interval, w.interval), tail)
    local earlier = options.history and options.history[row.name]
    if earlier and row.n > 0 then
      line = line:gsub("%s+$", "") .. "  " .. text.spark(earlier, options.utf8)
    end
    if options.verbose and row.n > 0 then line = line .. "  n=" .. row.n end
    lines[#lines + 1] = (line:gsub("%s+$", ""))
  end
  lines[#lines + 1] = roofs_line(document) and "  " .. roofs_line(document)
  for _, check in ipairs(options.verbose and document.checks or {}) do
    lines[#lines + 1] = string.format("  check %s  %s: %s, wanted %s", check.ok and "ok" or "NO",
                                      clean(check.what), clean(check.found), clean(check.wanted))
  end
  for _, note in ipairs(document.notes or {}) do lines[#lines + 1] = "  " .. clean(note) end
  local disturbed = noise.summary(document.repetitions or {}, document.run.disturbed)
  if disturbed then lines[#lines + 1] = paint("  " .. clean(disturbed), "missing") end
  local verdict, kind = verdict_line(document)
  local kept = options.kept and "run " .. document.run.id .. " kept in " .. clean(options.kept)
    or "run not kept"
  if document.run.status == "partial" then kept = "PARTIAL: interrupted; " .. kept end
  if verdict then
    lines[#lines + 1] = paint(verdict, kind)
      .. string.rep(" ", math.max(2, (options.width or 100) - #verdict - #kept)) .. kept
  else
    lines[#lines + 1] = kept
  end
  return table.concat(lines, "\n") .. "\n"
end

return text

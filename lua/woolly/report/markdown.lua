--- A report as Markdown: the summary of a CI job, the comment under a pull request. Pure.
local text  = require "woolly.report.text"
local words = require "woolly.report.words"

local markdown = {}

local MOST_ROWS <const> = 60
local WORDS <const> = { pass = "passed", fail = "**FAILED**", missing = "not measured",
                        inconclusive = "undecided" }
local MARKS <const> = { pass = "✅", fail = "❌", missing = "⚪", inconclusive = "❔" }

-- Whatever means something to Markdown or to HTML in it; @ and # would call people and issues.
local SPECIAL <const> = "[\\`%*_{}%[%]%(%)#%+%-%.!|<>&@~:/\"'$]"

--- A text that is shown as it is.
---@param value any
---@return string
function markdown.escape(value)
  return (words.clean(value):gsub(SPECIAL, function(c)
    return string.format("&#%d;", c:byte())
  end))
end
local escape = markdown.escape

local function interval(metric)
  if metric.n == 0 or not metric.confidence then return "" end
  return string.format("[%s, %s]", text.number(metric.low), text.number(metric.high))
end

local function headline(document)
  local gate = document.gate
  if not gate then return "### " .. escape(document.run.title or document.run.scenario) end
  return string.format("### %s %s: %s", MARKS[gate.verdict] or "", escape(gate.title or gate.name),
                       WORDS[gate.verdict] or escape(gate.verdict))
end

local function metric_rows(document)
  local limits, judged, others = words.limits(document), {}, {}
  local seen = {}
  local function row(metric, limit)
    local unit = metric.unit and metric.unit ~= "" and " " .. metric.unit or ""
    local value = metric.n > 0 and text.number(metric.median) .. unit
      or limit and limit.reason or metric.reason or "not measured"
    return string.format("| %s | %s | %s | %s | %s |",
      limit and (MARKS[limit.verdict] or "") .. " " .. (WORDS[limit.verdict] or "") or "",
      escape(metric.name), escape(value), interval(metric),
      limit and escape(words.limit(limit, text.number)) or "")
  end
  for _, metric in ipairs(document.metrics) do
    seen[metric.name] = true
    for _, limit in ipairs(limits[metric.name] or {}) do
      judged[#judged + 1] = row(metric, limit)
    end
    if not limits[metric.name] then others[#others + 1] = row(metric) end
  end
  for _, limit in ipairs(document.gate and document.gate.limits or {}) do
    if not seen[limit.metric] then
      judged[#judged + 1] = row({ name = limit.metric, n = 0 }, limit)
    end
  end
  return table.move(others, 1, #others, #judged + 1, judged)
end

local COMPARED <const> = { better = "🟢 better", worse = "🔴 worse", same = "same",
                           undecided = "undecided", missing = "missing" }
local ORDER <const> = { worse = 1, better = 2, missing = 3, undecided = 4, same = 5 }

--- Rows of a comparison with the baseline, what got worse first.
---@param lines woolly.Comparison[]
---@return string[]
function markdown.comparison(lines)
  local sorted = table.move(lines, 1, #lines, 1, {})
  table.sort(sorted, function(a, b)
    if ORDER[a.verdict] ~= ORDER[b.verdict] then return ORDER[a.verdict] < ORDER[b.verdict] end
    return a.metric < b.metric
  end)
  local out = { "| against the baseline | metric | ratio | interval | |",
                "| --- | --- | ---: | --- | --- |" }
  for _, line in ipairs(sorted) do
    out[#out + 1] = string.format("| %s | %s | %s | %s | %s |", COMPARED[line.verdict],
      escape(line.metric), line.ratio and string.format("%.3f", line.ratio) or "",
      line.low and string.format("[%.3f, %.3f]", line.low, line.high) or "",
      escape(line.reason or ""))
  end
  return out
end

--- The page. It begins with a mark by which a bot finds its own comment again.
---@param document table
---@param compared? {name: string, lines?: woolly.Comparison[], reason?: string}
---@return string
function markdown.render(document, compared)
  local run = document.run
  local mark = words.clean(run.scenario):gsub("[^%w_]", "")
  local out = { "<!-- woolly-lua " .. mark .. " -->",
                headline(document), "",
                escape(words.subject(document)) .. (run.commit and ", commit "
                  .. escape(run.commit) or ""), "" }
  if run.status == "partial" then table.move({ "**Cut short.**", "" }, 1, 2, #out + 1, out) end
  if run.disturbed then
    table.move({ "⚠ disturbed: " .. escape(run.disturbed), "" }, 1, 2, #out + 1, out)
  end
  if compared then
    if compared.lines then
      local rows = markdown.comparison(compared.lines)
      table.move(rows, 1, #rows, #out + 1, out)
    else
      out[#out + 1] = string.format("Not compared with %s: %s", escape(compared.name),
                                    escape(compared.reason or "no baseline"))
    end
    out[#out + 1] = ""
  end
  local failed = {}
  for _, check in ipairs(document.checks or {}) do
    if not check.ok then
      failed[#failed + 1] = string.format("- ❌ check %s: found %s, wanted %s", escape(check.what),
                                          escape(check.found), escape(check.wanted))
    end
  end
  table.move(failed, 1, #failed, #out + 1, out)
  if #failed > 0 then out[#out + 1] = "" end
  local rows = metric_rows(document)
  table.move({ "| verdict | metric | median | interval | limit |",
               "| --- | --- | ---: | --- | --- |" }, 1, 2, #out + 1, out)
  table.move(rows, 1, math.min(#rows, MOST_ROWS), #out + 1, out)
  if #rows > MOST_ROWS then
    out[#out + 1] = string.format("\n%d more metrics are in the run.", #rows - MOST_ROWS)
  end
  out[#out + 1] = string.format("\nrun `%s`", (words.clean(run.id):gsub("[^%w]", "")))
  return table.concat(out, "\n") .. "\n"
end

return markdown

--- One run as one HTML page without a script: figures, verdicts, samples drawn. Pure.
local page  = require "woolly.dashboard.page"
local text  = require "woolly.report.text"
local words = require "woolly.report.words"

local html = {}

local WORDS <const> = { pass = "✓ pass", fail = "✗ FAIL", missing = "– miss",
                        inconclusive = "? open" }
local MOST_POINTS <const> = 200

local function escape(value) return page.escape(words.clean(value)) end

-- Samples in their order, as a line in 120 x 24.
local function spark(metric)
  local samples = {}
  local stride = math.max(1, #metric.samples // MOST_POINTS)
  for i = 1, #metric.samples, stride do
    if type(metric.samples[i]) == "number" then samples[#samples + 1] = metric.samples[i] end
  end
  if #samples < 2 then return "" end
  local low, high = math.min(table.unpack(samples)), math.max(table.unpack(samples))
  local points = {}
  for i, value in ipairs(samples) do
    points[i] = string.format("%.1f,%.1f", 2 + (i - 1) / (#samples - 1) * 116,
                              22 - (value - low) / (high > low and high - low or 1) * 20)
  end
  return string.format('<svg class="spark" viewBox="0 0 120 24" role="img" aria-label="%d samples, '
    .. '%s to %s"><polyline class="line" fill="none" points="%s"/></svg>', #metric.samples,
    text.number(low), text.number(high), table.concat(points, " "))
end

local function verdicts(limits)
  local out = {}
  for i, limit in ipairs(limits) do
    local class = tostring(limit.verdict):gsub("%A", "")
    out[i] = string.format('<span class="verdict %s">%s</span>', class,
                           WORDS[limit.verdict] or escape(limit.verdict))
  end
  return table.concat(out, " ")
end

local function metric_row(metric, limits)
  local shown, reasons = {}, {}
  for i, limit in ipairs(limits) do
    shown[i] = words.limit(limit, text.number)
    reasons[#reasons + 1] = limit.verdict ~= "pass" and limit.reason or nil
  end
  local interval = metric.n > 0 and metric.confidence
    and string.format("[%s, %s]", text.number(metric.low), text.number(metric.high)) or ""
  return string.format("<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td><td>%s</td><td>%d</td>"
    .. "<td>%s</td><td>%s</td><td>%s</td></tr>", escape(metric.name), verdicts(limits),
    metric.n > 0 and escape(text.number(metric.median) .. " " .. (metric.unit or "")) or "",
    interval, metric.n, escape(table.concat(shown, ", ")), spark(metric),
    escape(reasons[1] or metric.reason or ""))
end

local function table_of(caption, heads, rows)
  return string.format('<div class="wide"><table><caption>%s</caption><thead><tr>%s</tr></thead>'
    .. "<tbody>%s</tbody></table></div>", caption, heads:gsub("[^|]+", '<th scope="col">%0</th>')
    :gsub("|", ""), table.concat(rows, "\n"))
end

--- The file.
---@param document table
---@param assets table    of the build: style, style_sha256
---@return string
function html.render(document, assets)
  local run, limits, rows = document.run, words.limits(document), {}
  for i, metric in ipairs(document.metrics) do
    rows[i] = metric_row(metric, limits[metric.name] or {})
  end
  local checks = {}
  for i, check in ipairs(document.checks or {}) do
    checks[i] = string.format('<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%s</td></tr>',
      escape(check.what), escape(check.found), escape(check.wanted), check.ok and "✓ yes" or "✗ NO")
  end
  local facts, notes = {}, {}
  for i, note in ipairs(document.notes or {}) do notes[i] = escape(note) end
  for key, value in pairs(document.machine) do
    facts[#facts + 1] = string.format('<tr><th scope="row">%s</th><td>%s</td></tr>', escape(key),
                                      escape(value))
  end
  table.sort(facts)
  local gate = document.gate
  local title = escape(run.title or run.scenario)
  return table.concat {
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src &#39;none&#39;; style-src ",
    "&#39;sha256-", page.base64(assets.style_sha256), "&#39;; img-src data:\">\n",
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>', title,
    '</title>\n<link rel="icon" href="data:,">\n<style>', assets.style,
    "</style>\n</head>\n<body>\n<main>\n<h1>", title, "</h1>\n",
    gate and string.format('<p class="large">%s gate %s</p>\n', verdicts { gate },
                           escape(gate.name)) or "",
    "<p>", escape(words.subject(document)), ", target ", escape(run.target), ", started ",
    escape(run.started or ""), run.commit and ", commit " .. escape(run.commit) or "", ", run ",
    escape(run.id), "</p>\n",
    run.status == "partial" and '<p class="warning">cut short</p>\n' or "",
    run.disturbed and '<p class="warning">⚠ disturbed: ' .. escape(run.disturbed) .. "</p>\n" or "",
    table_of("Figures", "metric|verdict|median|interval|samples|limit|in order|reason", rows), "\n",
    #checks > 0
      and table_of("Checks before anything was timed", "what|found|wanted|ok", checks) or "",
    #notes > 0 and "<h2>Notes</h2>\n<pre>" .. table.concat(notes, "\n") .. "</pre>\n" or "",
    table_of("Machine", "what|value", facts), "\n</main>\n</body>\n</html>\n",
  }
end

return html

local common = require "woolly.common"
local clock = require "woolly.clock"
local files = require "woolly.files"
local history = require "woolly.history"
local json = require "woolly.json"
local numeric = require "woolly.numeric"
local stats = require "woolly.stats"
local store = require "woolly.store"
local text = require "woolly.report.text"
local trajectory = require "woolly.trajectory"
local trends = require "woolly.trends"
local woolly = require "woolly"

local MOST_RUNS <const> = 1000000

local function date(seconds) return os.date("!%Y-%m-%d", math.floor(seconds)) end

local function percent(share)
  return share and string.format("%+.1f %%", 100 * share) or "from 0"
end

local function point_line(point, rows)
  local row = rows[point.at]
  return string.format("      %s  %s  %s -> %s  %s  %s  %s run%s ago, run %s",
    point.better and "better" or "WORSE ", date(row.started_s), text.number(point.before),
    text.number(point.after), percent(point.change), point.vote, point.age,
    point.age == 1 and "" or "s", row.id)
end

local function forecast_line(found, pace, last_s)
  local head = string.format("      limit %s %s: ", found.bound == "min" and ">=" or "<=",
                             text.number(found.limit))
  if found.met then return head .. "met" end
  local crossing = found.crossing
  if found.reason or not crossing or not crossing.median then
    return head .. "no date: " .. (found.reason or "the line does not reach it")
  end
  local function at(runs)
    if not runs then return "never" end
    return pace and date(last_s + runs * pace) or runs .. " runs on"
  end
  return string.format("%smet about %s (%s at the earliest, %s at the latest), by %s", head,
                       at(crossing.median), at(crossing.early), at(crossing.late), found.model)
end

local function trend_lines(out, trend, group, pace)
  local shown = string.format("  %-32s %10s  over %d runs", trend.metric,
                              text.number(trend.level), trend.segment)
  if trend.reason then shown = string.format("  %-32s %s", trend.metric, trend.reason) end
  if trend.drift and trend.drift.verdict == "drift" then
    shown = string.format("%s  DRIFT %s in 30 runs, %s", shown, percent(trend.drift.change),
                          trend.drift.better and "better" or "worse")
  end
  out[#out + 1] = shown
  for _, point in ipairs(trend.points) do
    if point.in_window then out[#out + 1] = point_line(point, group.rows) end
  end
  if trend.forecast then
    out[#out + 1] = forecast_line(trend.forecast, pace, group.rows[#group.rows].started_s)
  end
end

local function title(group)
  local row = group.rows[#group.rows]
  return string.format("%s%s  target %s  %s  machine %s  %d runs, %s to %s", row.scenario,
    row.preset and " " .. row.preset or "", row.target,
    row.model_name and row.model_name .. " " .. (row.model or ""):sub(1, 8) or "no model",
    row.machine:sub(1, 6), #group.rows, date(group.rows[1].started_s), date(row.started_s))
end

--- Is anything in here worth a status of 1?
local function is_bad(list)
  for _, trend in ipairs(list) do
    for _, point in ipairs(trend.points) do
      if point.in_window and trends.pages(point) then return true end
    end
    local drift = trend.drift
    if drift and drift.verdict == "drift" and not drift.better then return true end
  end
  return false
end

local function analyse(group, p, gate)
  local list = trends.history(group, { window_s = p.window_s, metric = p.metric,
                                       magnitude = p.magnitude })
  if gate then
    trends.forecast(group, list, gate, require("woolly.stats.forecast").project)
  end
  return list
end

return woolly.tool {
  about = "What the history says: change points, drift, dates of gates, the plan's trajectory",
  help = "Runs that share scenario, target, preset, switches, options, machine and model are one\n"
    .. "history. A change is confirmed when two detectors agree; it counts for the exit status\n"
    .. "(1) when it is for the worse, in the window, and three runs old. 2: too little history.",
  params = {
    window = { default = "7days", help = "changes and histories of this long are shown" },
    scenario = { type = "string", help = "only runs of this scenario" },
    preset = { type = "string", help = "only runs with this preset" },
    metric = { type = "string", help = "only this metric" },
    magnitude = { default = trends.MAGNITUDE, help = "smaller steps are none" },
    gate = { type = "string", help = "gate whose limits get a date" },
    trajectory = { default = true, help = "compare improvement factors with the plan's" },
    store = { default = "woolly.db", help = "where the runs are kept" },
    json = common.json_param,
  },
  run = function(p)
    stats.accelerate(numeric)
    p.window_s = history.seconds(p.window)
    if not p.window_s or p.window_s <= 0 then
      woolly.fail(string.format("--window: found '%s', a time such as 7days, 12h, 2weeks is "
                                .. "required", p.window))
    end
    if p.metric and not require("woolly.metrics").all[p.metric] then
      woolly.fail(string.format("--metric: unknown metric '%s'", p.metric))
    end
    local gate = p.gate and files.gate(p.gate).gate
    local kept <close> = woolly.must(store.open(p.store, { read_only = true }))
    local found = woolly.must(kept:history { scenario = p.scenario, preset = p.preset,
                                             limit = MOST_RUNS })
    local first = history.window(found.rows, p.window_s)
    local since = found.rows[first] and found.rows[first].seq
    local out = { string.format("Trend of %s: %d runs, %d in the window of %s", kept:path(),
                                #found.rows, #found.rows - first + 1, p.window) }
    for _, note in ipairs(history.clock_notes(found.rows, clock.wall_ns() / 1e9)) do
      out[#out + 1] = note
    end
    local groups, status, judged = json.array {}, 0, false
    for _, group in ipairs(history.groups(found)) do
      if group.rows[#group.rows].seq >= since then
        local list, pace = analyse(group, p, gate), trends.pace(group.rows)
        out[#out + 1] = title(group)
        for _, trend in ipairs(list) do
          trend_lines(out, trend, group, pace)
          judged = judged or not trend.reason
        end
        if is_bad(list) then status = 1 end
        local last = group.rows[#group.rows]
        groups[#groups + 1] = { scenario = last.scenario, preset = last.preset,
          target = last.target, machine = last.machine, model = last.model, runs = #group.rows,
          last = last.id, trends = json.array(list) }
      end
    end
    local steps
    if p.trajectory and not p.metric then
      steps = trajectory.measure(kept, files.data("trajectory"),
                                 not (p.scenario or p.preset) and found or nil)
      for _, line in ipairs(trajectory.render(steps)) do out[#out + 1] = line end
    end
    if status == 0 and not judged then status = 2 end
    out[#out + 1] = "TREND: " .. (status == 1 and "GOT WORSE" or status == 0 and "STEADY OR BETTER"
                                  or string.format("CANNOT JUDGE: no history of %d runs",
                                                   trends.MIN_RUNS))
    common.print(p, { window = p.window, runs = #found.rows, groups = groups,
                      trajectory = steps and json.array(steps), status = status },
                 common.lines(out))
    return status
  end,
}

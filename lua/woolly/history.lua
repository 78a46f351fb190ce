--- Stored runs in the order they were saved: which are alike, what lies in a window, what the
--- clock did. Pure: works on what Store:history returned.
local history = {}

local DAY_S <const> = 86400
local JITTER_S <const> = 60 -- two programs save in another order than they started

---@class woolly.Alike   what two runs must share to be compared
---@field scenario string
---@field target string
---@field preset? string
---@field switches? string   JSON text
---@field params? string     JSON text
---@field machine string
---@field model? string      sha256

local KEYS <const> = { "scenario", "target", "preset", "machine", "model", "switches", "params" }
-- What a person calls the difference, most telling first.
local DIFFERENCES <const> = {
  { "machine", "another machine" }, { "model", "another model" }, { "target", "another target" },
  { "preset", "another preset" }, { "switches", "other switches" },
  { "params", "other options of the scenario" }, { "scenario", "another scenario" },
}

--- The first thing in which two runs differ, as words; nil when they are alike.
---@param a woolly.Alike
---@param b woolly.Alike
---@return string?
function history.difference(a, b)
  for _, one in ipairs(DIFFERENCES) do
    if a[one[1]] ~= b[one[1]] then return one[2] end
  end
end

--- One text for all runs that are alike.
---@param row woolly.Alike
---@return string
function history.key(row)
  local parts = {}
  for i, key in ipairs(KEYS) do parts[i] = tostring(row[key]) end
  return table.concat(parts, "\0")
end

--- The part of a history whose rows `wanted` picks; series keep their order.
---@param found woolly.store.History
---@param wanted fun(row: woolly.store.Row, i: integer): boolean
---@return woolly.store.History
function history.pick(found, wanted)
  local rows, place = {}, {}
  for i, row in ipairs(found.rows) do
    if wanted(row, i) then
      rows[#rows + 1] = row
      place[i] = #rows
    end
  end
  local series = {}
  for name, one in pairs(found.series) do
    local at, value = {}, {}
    for k, i in ipairs(one.at) do
      if place[i] then at[#at + 1], value[#value + 1] = place[i], one.value[k] end
    end
    if #at > 0 then series[name] = { at = at, value = value } end
  end
  return { rows = rows, series = series }
end

--- The runs alike to `like`, and how many others were left out, by reason.
---@param found woolly.store.History
---@param like woolly.Alike
---@return woolly.store.History alike
---@return table<string, integer> left_out
function history.alike(found, like)
  local left_out = {}
  local alike = history.pick(found, function(row)
    local why = history.difference(row, like)
    if why then left_out[why] = (left_out[why] or 0) + 1 end
    return not why
  end)
  return alike, left_out
end

--- Groups of runs that are alike, in the order of their newest run, newest first.
---@param found woolly.store.History
---@return woolly.store.History[]
function history.groups(found)
  local key_of, newest, order = {}, {}, {}
  for i, row in ipairs(found.rows) do
    key_of[i] = history.key(row)
    if not newest[key_of[i]] then order[#order + 1] = key_of[i] end
    newest[key_of[i]] = i
  end
  if #order == 1 then return { found } end
  table.sort(order, function(a, b) return newest[a] > newest[b] end)
  -- One pass over each series: picking group by group would read all of them once per group.
  local groups, by_key, place = {}, {}, {}
  for g, key in ipairs(order) do
    groups[g] = { rows = {}, series = {} }
    by_key[key] = groups[g]
  end
  for i, row in ipairs(found.rows) do
    local rows = by_key[key_of[i]].rows
    rows[#rows + 1] = row
    place[i] = #rows
  end
  for name, one in pairs(found.series) do
    for k, i in ipairs(one.at) do
      local series = by_key[key_of[i]].series
      local own = series[name]
      if not own then
        own = { at = {}, value = {} }
        series[name] = own
      end
      own.at[#own.at + 1], own.value[#own.value + 1] = place[i], one.value[k]
    end
  end
  return groups
end

local UNITS <const> = { s = 1, second = 1, min = 60, minute = 60, h = 3600, hour = 3600,
                        d = DAY_S, day = DAY_S, w = 7 * DAY_S, week = 7 * DAY_S,
                        month = 30 * DAY_S, year = 365 * DAY_S }

--- "7days", "12h", "2 weeks" in seconds.
---@param text string
---@return number? seconds   nil: no such window
function history.seconds(text)
  local number, unit = text:match("^%s*(%d+%.?%d*)%s*(%a*)%s*$")
  if not number then return nil end
  if unit == "" then unit = "day" end
  local factor = UNITS[unit] or UNITS[(unit:gsub("s$", ""))]
  return factor and tonumber(number) * factor or nil
end

--- Where the window of the newest `seconds` begins. Time is counted backwards from the newest run
--- along the order of saving; where the clock went back no time passed.
---@param rows woolly.store.Row[]
---@param seconds number
---@return integer first   index; #rows + 1 without rows
function history.window(rows, seconds)
  local passed, first = 0, #rows
  if first == 0 then return 1 end
  while first > 1 do
    passed = passed + math.max(0, rows[first].started_s - rows[first - 1].started_s)
    if passed > seconds then break end
    first = first - 1
  end
  return first
end

--- Where the clock went back between two runs, as sentences. The order of saving holds.
---@param rows woolly.store.Row[]
---@param now_s? number   also: is the newest run from the future?
---@return string[]
function history.clock_notes(rows, now_s)
  local notes = {}
  for i = 2, #rows do
    local step = rows[i].started_s - rows[i - 1].started_s
    if step < -JITTER_S then
      notes[#notes + 1] = string.format("clock moved %.0f s before run %s; runs are taken in the "
                                        .. "order they were saved", step, rows[i].id)
    end
  end
  local last = rows[#rows]
  if now_s and last and last.started_s > now_s + JITTER_S then
    notes[#notes + 1] = string.format("clock moved %.0f s since run %s was saved", now_s
                                      - last.started_s, last.id)
  end
  return notes
end

--- The runs of the newest day (UTC) that has any before the day of `now_s`.
---@param rows woolly.store.Row[]
---@param now_s number
---@return integer[] indexes   in order of saving
---@return integer days_ago    0 when there are none
function history.day_before(rows, now_s)
  local today, best, indexes = now_s // DAY_S, nil, {}
  for _, row in ipairs(rows) do
    local day = row.started_s // DAY_S
    if day < today and (not best or day > best) then best = day end
  end
  if not best then return indexes, 0 end
  for i, row in ipairs(rows) do
    if row.started_s // DAY_S == best then indexes[#indexes + 1] = i end
  end
  return indexes, math.tointeger(today - best) or 0
end

return history

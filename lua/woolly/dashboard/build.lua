--- The dashboard of a store, from what the program carries and what the store holds.
local data     = require "woolly.dashboard.data"
local failure  = require "woolly.failure"
local files    = require "woolly.files"
local history  = require "woolly.history"
local page     = require "woolly.dashboard.page"
local progress = require "woolly.progress"
local road     = require "woolly.dashboard.road"
local roofs    = require "woolly.roofs"
local stats    = require "woolly.stats"
local words    = require "woolly.report.words"

local build = {}

local LOOK_AGAIN_S <const> = 1
local MOST_PROGRESS <const> = 4096

-- Gates that the page has a place for; without their files the page does without.
local function gates()
  local found = {}
  for _, name in ipairs { "ole", table.unpack(road.PHASES) } do
    local ok, file = pcall(files.gate, name)
    if ok then found[name] = file.gate end
  end
  return found
end

local function window_of(p)
  if not p.window then return nil end
  local seconds = history.seconds(p.window)
  if not seconds or seconds <= 0 then
    failure.raise(string.format("--window: found '%s', a time such as 7days, 12h, 2weeks is "
                                .. "required", p.window))
  end
  return seconds
end

--- The data of the page, as JSON.
---@param p {store: string, window?: string, details?: integer}
---@return string json
---@return integer runs
---@return string stamp   of the newest run
function build.json(p)
  local clock, engine, store = require "woolly.clock", require "woolly.engine",
    require "woolly.store"
  stats.accelerate(require "woolly.numeric")
  local window_s = window_of(p)
  local ok, expected = pcall(files.data, "trajectory")
  local kept <close> = failure.must(store.open(p.store, { read_only = true }))
  local info = engine.build_info()
  local facts = { made = clock.utc(), version = info.version, commit = info.commit,
                  store = kept:path(), window = p.window }
  local json, runs = data.encode(kept, {
    window_s = window_s, most_details = p.details or 1000, gates = gates(), roofs = roofs.kept(),
    expected = ok and expected or nil,
  }, facts)
  return json, runs, facts.stamp
end

--- Serves the page until it is stopped, and makes it anew whenever a run was kept.
---@param p table   of build.page, and port, bind
---@param listening fun(url: string)   called once
function build.serve(p, listening)
  local json, process, server, store = require "woolly.json", require "woolly.process",
    require "woolly.server", require "woolly.store"
  local running <close> = failure.must(server.start({}, { port = p.port, bind = p.bind }))
  local shown
  -- Whoever measures into this store tells how far it is while this file is there.
  local watched = progress.path(p.store)
  failure.must(process.write_file(watched, ""))
  local _ <close> = setmetatable({}, { __close = function() os.remove(watched) end })
  local function refresh()
    local kept <close> = failure.must(store.open(p.store, { read_only = true }))
    local newest = failure.must(kept:list { limit = 1 })[1]
    local stamp = newest and newest.id or ""
    if stamp ~= shown then
      local html, found = build.page(p, "/dashboard/live")
      failure.must(running:set_page("/dashboard", "html", html))
      shown = found.stamp
    end
    local text = process.read_file(watched, MOST_PROGRESS) or ""
    failure.must(running:set_page("/dashboard/live", "json",
                                  json.encode { stamp = shown, text = words.clean(text) }))
  end
  refresh()
  listening(string.format("http://%s:%d/dashboard", p.bind, running:port()))
  local _, message, reason = process.guard(function()
    while true do
      running:next_call(LOOK_AGAIN_S) -- nobody calls: a wait that a signal ends
      refresh()
    end
  end)
  if reason ~= "interrupted" then error(message, 0) end
end

--- The page.
---@param p {store: string, window?: string, details?: integer, title?: string}
---@param live? string   URL that tells of changes
---@return string html
---@return {runs: integer, stamp: string, charts: string|false}   charts: the version of uPlot in it
function build.page(p, live)
  local assets = require "woolly.dashboard.assets"
  local json, runs, stamp = build.json(p)
  return page.render(assets, json, { title = p.title, live = live }),
    { runs = runs, charts = assets.uplot, stamp = stamp }
end

return build

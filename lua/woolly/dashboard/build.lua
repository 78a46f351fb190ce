--- The dashboard of a store, from what the program carries and what the store holds.
local data    = require "woolly.dashboard.data"
local failure = require "woolly.failure"
local files   = require "woolly.files"
local history = require "woolly.history"
local page    = require "woolly.dashboard.page"
local road    = require "woolly.dashboard.road"
local roofs   = require "woolly.roofs"
local stats   = require "woolly.stats"

local build = {}

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
function build.json(p)
  local clock, engine, store = require "woolly.clock", require "woolly.engine",
    require "woolly.store"
  stats.accelerate(require "woolly.numeric")
  local window_s = window_of(p)
  local ok, expected = pcall(files.data, "trajectory")
  local kept <close> = failure.must(store.open(p.store, { read_only = true }))
  local info = engine.build_info()
  return data.encode(kept, {
    window_s = window_s, most_details = p.details or 1000, gates = gates(), roofs = roofs.kept(),
    expected = ok and expected or nil,
  }, { made = clock.utc(), version = info.version, commit = info.commit, store = kept:path(),
       window = p.window })
end

--- The page.
---@param p {store: string, window?: string, details?: integer, title?: string}
---@param live? string   URL that tells of changes
---@return string html
---@return {runs: integer, charts: string|false}   charts: the version of uPlot in it
function build.page(p, live)
  local assets = require "woolly.dashboard.assets"
  local json, runs = build.json(p)
  return page.render(assets, json, { title = p.title, live = live }),
    { runs = runs, charts = assets.uplot }
end

return build

--- One line on standard error that says how far the work is. On a terminal it is redrawn; in a log
--- it is a line every ten seconds.
local progress = {}

local Progress = {}
Progress.__index = Progress

local REDRAW_NS <const>, LOG_NS <const>, FIRST_NS <const> = 100000000, 10000000000, 1000000000
local TELL_NS <const> = 1000000000

--- Where dashboard.lua --live reads how far a run is: it makes the file, who measures fills it.
---@param store string
---@return string path
function progress.path(store) return (store:gsub("^sqlite:", "")) .. ".progress" end

---@param options {quiet?: boolean, store?: string}   store: tell who watches it, too
function progress.new(options)
  local process, clock = require "woolly.process", require "woolly.clock"
  return setmetatable({
    process = process, clock = clock, quiet = options.quiet, terminal = process.isatty(2),
    started = clock.now_ns(), drawn = 0, shown = false, told = 0,
    file = options.store and process.exists(progress.path(options.store))
      and progress.path(options.store) or nil,
  }, Progress)
end

--- "1 min 20 s"
---@param seconds number
---@return string
function progress.seconds(seconds)
  if seconds < 60 then return string.format("%.0f s", seconds) end
  if seconds < 3600 then
    return string.format("%d min %02d s", seconds // 60, math.floor(seconds % 60))
  end
  return string.format("%d h %02d min", seconds // 3600, seconds % 3600 // 60)
end

-- For who watches: once a second at most, and nothing when it ended. Not worth an error.
local function tell(self, text)
  local now = self.clock.now_ns()
  if not self.file or text ~= "" and now - self.told < TELL_NS then return end
  self.told = now
  local file = io.open(self.file, "w")
  if file then
    file:write(text)
    file:close()
  end
end

--- Shows text when enough time has passed since the start and the last drawing.
---@param text string
function Progress:show(text)
  tell(self, text)
  if self.quiet then return end
  local now = self.clock.now_ns()
  if now - self.started < FIRST_NS then return end
  if now - self.drawn < (self.terminal and REDRAW_NS or LOG_NS) then return end
  self.drawn = now
  if self.terminal then
    local width = self.process.columns() - 1
    self.process.stderr("\r" .. text:sub(1, width) .. "\27[K")
    self.shown = true
  else
    self.process.stderr(text .. "\n")
  end
end

--- The same with a share of the whole and the time left.
---@param text string
---@param done number
---@param total number
function Progress:share(text, done, total)
  local share = total > 0 and done / total or 0
  local left = ""
  if share > 0 then
    local passed = (self.clock.now_ns() - self.started) / 1e9
    left = ", " .. progress.seconds(passed * (1 - share) / share) .. " left"
  end
  self:show(string.format("%s  %3.0f %%%s", text, share * 100, left))
end

--- Removes the line.
function Progress:clear()
  if self.shown then self.process.stderr("\r\27[K") end
  self.shown = false
  tell(self, "")
end

return progress

--- Long form, run by hand: woolly-lua tests/long/stability_10min.lua [SECONDS] [MODEL]
--- A server under load for ten minutes: no error, resident memory that grows by no more than 1 MiB
--- an hour (upper end of the 95 % interval), nothing that leaks. Beside it one that leaks 4 KiB a
--- request, which must be found.
local json = require "woolly.json"
local process = require "woolly.process"
local progress = require "woolly.progress"

local seconds, model = tonumber(arg[1] or 600), arg[2] or "bundled:stories260K"
local MOST_MB_PER_HOUR <const> = 1.048576
local LEAK <const> = "leak_kb=4"

local folder = (process.env "TMPDIR" or "/tmp") .. "/woolly-stability-" .. process.pid()
assert(process.make_folders(folder))
local _ <close> = setmetatable({}, { __close = function()
  for _, name in ipairs(process.list_folder(folder) or {}) do os.remove(folder .. "/" .. name) end
  os.remove(folder)
end })

local function start(name, ...)
  local path = folder .. "/" .. name .. ".json"
  return { path = path, child = assert(process.spawn {
    "/proc/self/exe", "stability.lua", "--model", model, "--threads", "1", "--store", "none",
    "--quiet", "--duration", tostring(seconds), "--json", path, ... }) }
end

-- Reads what it prints until it has ended.
local function finish(run, line)
  while true do
    local said = run.child:read_line(1)
    if process.interrupted() then os.exit(130) end
    if not said and not run.child:pid() then break end
    line:show "stability: ten minutes of a sound server and of one that leaks"
  end
  local status = run.child:close()
  assert(status <= 1, "stability.lua ended with status " .. status)
  local document = assert(json.decode(assert(process.read_file(run.path)), run.path))
  local found = { status = status, notes = document.notes, growth = {} }
  for _, metric in ipairs(document.metrics) do
    found[metric.name] = metric.samples and metric.samples[1]
  end
  for _, note in ipairs(document.notes) do
    print("  " .. note)
    local low, high = note:match "^memory: %S+ MB/h %[([^,]+), ([^%]]+)%]"
    if low then found.growth = { low = tonumber(low), high = tonumber(high) } end
  end
  return found
end

local line = progress.new {}
local runs = { start "sound", start("leaking", "--server_faults", LEAK) }
local good = true
local function check(what, holds)
  print(string.format("%s  %s", holds and "ok  " or "FAIL", what))
  good = good and holds
end
print "sound:"
local sound = finish(runs[1], line)
print(LEAK .. ":")
local leaking = finish(runs[2], line)
line:clear()
check("no crash and no leak", sound.crashes == 0 and sound.leaks == 0)
check("no failed generation", sound.error_rate == 0)
check(string.format("memory grows by at most 1 MiB an hour: upper end %s MB/h",
                    tostring(sound.growth.high)),
      sound.growth.high ~= nil and sound.growth.high <= MOST_MB_PER_HOUR)
check("the planted leak is found", leaking.status == 1 and (leaking.leaks or 0) >= 1)
os.exit(good and 0 or 1)

--- Who includes and requires whom: the arrows of docs/internals.md point down only.
local tap = require "tap"

local source = os.getenv("WOOLLY_SOURCE") or "."

local function files(command)
  local pipe, list = assert(io.popen(command)), {}
  for line in pipe:lines() do list[#list + 1] = line end
  assert(pipe:close(), command)
  return list
end

local function matches(path, pattern)
  local found, number = {}, 0
  for line in io.lines(path) do
    number = number + 1
    for name in line:gmatch(pattern) do found[#found + 1] = { name = name, line = number } end
  end
  return found
end

-- Room -> rooms whose headers it may include.
local ROOMS <const> = {
  base = {}, engine = { base = true }, counters = { base = true }, store = { base = true },
  net = { base = true }, server = { base = true, engine = true },
  host = { base = true, engine = true, counters = true, store = true, net = true, server = true },
}
-- Third-party header -> the one room (or file) that may know it.
local THIRD_PARTY <const> = {
  ["lua.h"] = "host", ["lauxlib.h"] = "host", ["lualib.h"] = "host", ["sqlite3.h"] = "store",
  ["curl/curl.h"] = "net",
  ["cJSON.h"] = "base/json.c", ["cjson/cJSON.h"] = "base/json.c", ["utf8proc.h"] = "engine",
  ["perfmon/pfmlib.h"] = "counters", ["perfmon/pfmlib_perf_event.h"] = "counters",
  ["Zydis/Zydis.h"] = "counters", ["microhttpd.h"] = "server",
}
-- What the host may see of the engine beside engine.h and what that includes.
local ENGINE_HEADERS <const> = {
  ["engine/engine.h"] = true, ["engine/bench.h"] = true, ["engine/gguf.h"] = true,
  ["engine/tensor_type.h"] = true, ["engine/tokenizer.h"] = true,
  ["engine/kernels/kernels.h"] = true,
}

for _, room in ipairs { "base", "engine", "counters", "store", "net", "server", "host" } do
  tap.test("src/" .. room .. " includes only what lies below it", function()
    for _, path in ipairs(files("find " .. source .. "/src/" .. room .. " -name '*.[ch]'")) do
      for _, include in ipairs(matches(path, '#%s*include%s+"([^"]+)"')) do
        local target = include.name:match("^(%w+)/")
        if ROOMS[target or ""] then
          tap.truthy(target == room or ROOMS[room][target],
                     string.format("%s:%d includes %s", path, include.line, include.name))
          if target == "engine" and (room == "host" or room == "server") then
            tap.truthy(ENGINE_HEADERS[include.name],
                       string.format("%s:%d looks inside the engine: %s", path, include.line,
                                     include.name))
          end
        end
      end
      for _, include in ipairs(matches(path, "#%s*include%s+<([^>]+)>")) do
        local owner = THIRD_PARTY[include.name]
        if owner then
          tap.truthy(owner == room or path:sub(-#owner) == owner,
                     string.format("%s:%d: %s belongs to %s", path, include.line, include.name,
                                   owner))
        end
      end
    end
  end)
end

tap.test("main.c includes host.h and nothing else of ours", function()
  local found = matches(source .. "/src/main.c", '#%s*include%s+"([^"]+)"')
  tap.equal(#found, 1, "includes")
  tap.equal(found[1].name, "host/host.h")
end)

local C_MODULES <const> = { clock = true, counters = true, data = true, engine = true, http = true, json = true,
                            kernels = true, machine = true, numeric = true, process = true,
                            roofline = true, server = true, store = true }
-- Modules of the framework that are pure: they require each other, lazily never a C module.
local PURE <const> = { "metrics", "stats", "suggest", "gate", "judging", "config", "failure",
                       "options", "recorder", "compare", "help", "strict", "init", "work",
                       "accuracy", "waterfall", "history", "imports", "sides", "blame",
                       "regression", "trends", "alerts", "power", "quality", "dashboard/thin",
                       "dashboard/road", "dashboard/page" }
for _, path in ipairs(files("ls " .. source .. "/lua/woolly/stats")) do
  PURE[#PURE + 1] = "stats/" .. path:match("^(.*)%.lua$")
end

local function required(path)
  return matches(path, "require%s*%(?%s*[\"']woolly%.?([%w_.]*)[\"']")
end

for _, name in ipairs(PURE) do
  tap.test("woolly/" .. name .. ".lua is pure", function()
    local path = source .. "/lua/woolly/" .. name .. ".lua"
    for _, use in ipairs(required(path)) do
      tap.truthy(not C_MODULES[use.name],
                 string.format("%s:%d requires woolly.%s", path, use.line, use.name))
    end
    for _, use in ipairs(matches(path, "%f[%w](io%.%w+)")) do
      tap.truthy(false, string.format("%s:%d uses %s", path, use.line, use.name))
    end
  end)
end

tap.test("reports are pure", function()
  for _, path in ipairs(files("find " .. source .. "/lua/woolly/report -name '*.lua'")) do
    for _, use in ipairs(required(path)) do
      tap.truthy(not C_MODULES[use.name],
                 string.format("%s:%d requires woolly.%s", path, use.line, use.name))
    end
  end
end)

tap.test("gates require nothing and call nothing", function()
  for _, path in ipairs(files("find " .. source .. "/gates -name '*.lua'")) do
    local text = assert(io.open(path)):read("a"):gsub("%-%-[^\n]*", "")
    for _, word in ipairs { "require", "function", "load" } do
      tap.truthy(not text:find("%f[%w]" .. word .. "%f[%W]"), path .. ": " .. word)
    end
  end
end)

tap.test("no module requires the command line, only that requires the runner", function()
  local find = "find %s/lua %s/scenarios -name '*.lua'"
  for _, path in ipairs(files(find:format(source, source))) do
    for _, use in ipairs(required(path)) do
      local at = string.format("%s:%d requires woolly.%s", path, use.line, use.name)
      tap.truthy(use.name ~= "cli", at)
      tap.truthy(use.name ~= "runner" or path:match("/cli%.lua$"), at)
    end
  end
end)

tap.test("every C module has an editor file of its own", function()
  for name in pairs(C_MODULES) do
    local file = io.open(source .. "/lua/woolly/meta/" .. name .. ".lua")
    tap.truthy(file, "meta/" .. name .. ".lua")
    file:close()
  end
end)

tap.done()

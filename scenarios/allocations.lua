local common = require "woolly.common"
local process = require "woolly.process"
local woolly = require "woolly"

-- The file that the preload library counts into: base/alloc_count.h.
local MAGIC <const>, N_SLOTS <const>, SLOT_SIZE <const> = "WLALLOC1", 1024, 64
local SLOT <const> = "<I8I8i4i4i4"
local LIBRARY <const> = "libwoolly_alloc.so"

--- Where the library lies: beside the program, or in the lib folders of an installation.
local function find_library()
  local folder = (process.program or ""):match("^(.*)/[^/]*$") or "."
  local places = { folder, folder .. "/../lib", folder .. "/../lib/x86_64-linux-gnu",
                   folder .. "/../lib/aarch64-linux-gnu" }
  for _, place in ipairs(places) do
    local path = place .. "/" .. LIBRARY
    if process.exists(path) then return path end
  end
  woolly.fail(string.format("%s: not found beside the program nor in its lib folder. A build with "
                            .. "a sanitizer has none: use the release build", LIBRARY),
              "environment")
end

--- What every thread asked for.
---@return {process: integer, thread: integer, requests: integer, bytes: integer}[] threads
---@return boolean complete   false: more threads at a time than there are slots
local function read_counts(path)
  local text = woolly.must(process.read_file(path))
  local threads = {}
  for i = 0, N_SLOTS - 1 do
    local requests, bytes, pid, tid = string.unpack(SLOT, text, SLOT_SIZE + i * SLOT_SIZE + 1)
    if pid ~= 0 then
      threads[#threads + 1] = { process = pid, thread = tid, requests = requests, bytes = bytes }
    end
  end
  local last = string.unpack("<I8", text, SLOT_SIZE + (N_SLOTS - 1) * SLOT_SIZE + 1)
  table.sort(threads, function(a, b) return a.requests > b.requests end)
  return threads, last == 0
end

return woolly.tool {
  about = "Counts every heap request of another program, by thread",
  arguments = "-- COMMAND [arguments]",
  params = {
    top = { default = 10, help = "threads to list, those with most requests first" },
    json = common.json_param,
  },
  run = function(p)
    if #p.arguments == 0 then
      woolly.fail("usage: woolly-lua allocations.lua -- COMMAND [arguments]")
    end
    local library = find_library()
    local path = string.format("%s/allocations.%d", woolly.must(process.cache_folder()),
                               process.pid())
    woolly.must(process.write_file(path, MAGIC .. string.pack("<I4", N_SLOTS)
                                   .. ("\0"):rep(52 + N_SLOTS * SLOT_SIZE)))
    local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
    local result = woolly.must(process.run { "env", "WL_ALLOC_SHM=" .. path,
                                             "LD_PRELOAD=" .. library,
                                             table.unpack(p.arguments) })
    local threads, complete = read_counts(path)
    local requests, bytes = 0, 0
    for _, thread in ipairs(threads) do
      requests, bytes = requests + thread.requests, bytes + thread.bytes
    end
    if p.json ~= "-" then io.write(result.out) end
    process.stderr(result.err)
    if #threads == 0 then
      woolly.fail(string.format("%s: nothing was counted: it is linked statically, or may not be "
                                .. "preloaded into", p.arguments[1]), "unavailable")
    end
    local lines = { string.format("%d heap requests, %d bytes asked for, by %d threads%s", requests,
                                  bytes, #threads, complete and "" or " (at least: there were more "
                                  .. "threads at a time than can be told apart)") }
    for i = 1, math.min(p.top, #threads) do
      local thread = threads[i]
      lines[#lines + 1] = string.format("  process %-7d thread %-7d %10d requests %14d bytes",
        thread.process, thread.thread, thread.requests, thread.bytes)
    end
    common.print(p, { requests = requests, bytes = bytes, threads = threads, complete = complete,
                      status = result.status, command = table.concat(p.arguments, " ") },
                 table.concat(lines, "\n"))
    return result.status
  end,
}

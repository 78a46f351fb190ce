local common = require "woolly.common"
local json = require "woolly.json"
local machine = require "woolly.machine"
local roofs = require "woolly.roofs"
local woolly = require "woolly"

local ROWS <const> = {
  { "l1", "read, L1", "GB/s" }, { "l2", "read, L2", "GB/s" }, { "l3", "read, L3", "GB/s" },
  { "dram", "read, DRAM", "GB/s" }, { "f32", "float32", "GMAC/s" }, { "int8", "int8", "GMAC/s" },
}

--- A column for each number of threads.
local function table_of(found, counts)
  local lines = { string.format("%-12s", "threads") }
  for _, n in ipairs(counts) do lines[1] = lines[1] .. string.format("%12d", n) end
  for _, row in ipairs(ROWS) do
    local line = string.format("%-12s", row[2])
    for _, n in ipairs(counts) do
      local value = found.threads[tostring(n)][row[1]]
      line = line .. (value and string.format("%12.1f", value) or string.format("%12s", "-"))
    end
    lines[#lines + 1] = line .. "  " .. row[3]
  end
  return lines
end

return woolly.tool {
  about = "Measures what this machine can do at most: the roofs that throughputs are compared with",
  help = "Kept in the cache folder, per machine; the best of all measurements counts, since a busy "
    .. "machine only ever\nshows less. --fresh forgets the earlier ones.",
  params = {
    threads = { type = "list", help = "numbers of threads: 1,2; default: 1, 2, 4 ... all" },
    seconds = { default = 20.0, help = "how long altogether, about" },
    fresh = { default = false, help = "forget what was measured before" },
    json = common.json_param,
  },
  run = function(p)
    local info = machine.info()
    local counts = p.threads or roofs.thread_counts(info.n_online)
    for _, n in ipairs(counts) do
      if n < 1 or n > 4096 then woolly.fail("--threads: allowed are 1..4096") end
    end
    if p.seconds <= 0 then woolly.fail("--seconds: more than 0 are required") end
    local found = woolly.must(roofs.measure_all(counts, p.seconds, p.quiet))
    local where, unfit = nil, roofs.unfit()
    if not unfit then
      where = woolly.must(roofs.path())
      if p.fresh then woolly.must(roofs.forget()) end
      found = woolly.must(roofs.keep(found))
    end
    local lines = table_of(found, counts)
    table.insert(lines, 1, string.format("machine %s: %s, %d cores", info.fingerprint:sub(1, 6),
                                         info.cpu or "?", info.n_cores or info.n_online))
    lines[#lines + 1] = where and "kept in " .. where or "not kept: " .. unfit
    local document = {}
    for key, value in pairs(found) do document[key] = value end
    document.machine, document.kept_in = info, where or json.null
    common.print(p, document, table.concat(lines, "\n"))
  end,
}

local clock = require "woolly.clock"
local common = require "woolly.common"
local floor = require "woolly.floor"
local json = require "woolly.json"
local machine = require "woolly.machine"
local roofs = require "woolly.roofs"
local woolly = require "woolly"

local ROWS <const> = {
  { "l1", "read, L1", "GB/s" }, { "l2", "read, L2", "GB/s" }, { "l3", "read, L3", "GB/s" },
  { "dram", "read, DRAM", "GB/s" }, { "f32", "float32", "GMAC/s" }, { "int8", "int8", "GMAC/s" },
  { "int4", "int4 x int8", "GMAC/s" },
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

local REPETITIONS <const> = { 5, 10, 30 }

--- What n repetitions can tell: by kind of work, which metrics are of that kind in front.
local function floor_lines(noise)
  local lines = { "", string.format("%-32s%8s   smallest change told, n =", "noise", "spread") }
  for _, n in ipairs(REPETITIONS) do lines[2] = lines[2] .. string.format("%7d", n) end
  for _, kind in ipairs { { "cpu", "in caches (prompts, kernels)" },
                          { "cpu_near", "... by turns (overheads)" },
                          { "memory", "from memory (decode, all else)" },
                          { "memory_near", "... by turns (overheads)" } } do
    local line = string.format("%-32s%7.2f%%%28s", kind[2], 100 * noise[kind[1]], "")
    for _, n in ipairs(REPETITIONS) do
      line = line .. string.format("%6.1f%%", 100 * floor.smallest(noise[kind[1]], n))
    end
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = "(1 % false alarms, 90 % found; what is counted, allocations or bytes, has "
    .. "no noise)"
  lines[#lines + 1] = string.format("the clock's smallest step is %d ns", clock.resolution_ns())
  return lines
end

local NOISE_SHARE <const> = 0.3 -- of the time

return woolly.tool {
  about = "Measures what this machine can do at most (the roofs) and how much it varies (noise)",
  help = "Kept in the cache folder, per machine. Of the roofs the best of all measurements counts, "
    .. "since a busy\nmachine only ever shows less; --fresh forgets the earlier ones. Of the noise "
    .. "the last measurement counts:\nscenarios refuse a gate that is tighter than it.",
  params = {
    threads = { type = "list", help = "numbers of threads: 1,2; default: 1, 2, 4 ... all" },
    seconds = { default = 10.0, help = "how long altogether, about" },
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
    local noise = woolly.must(floor.measure(p.seconds * NOISE_SHARE, counts[#counts]))
    local found = woolly.must(roofs.measure_all(counts, p.seconds * (1 - NOISE_SHARE), p.quiet))
    local where, unfit = nil, roofs.unfit()
    if not unfit then
      where = woolly.must(roofs.path())
      if p.fresh then woolly.must(roofs.forget()) end
      found = woolly.must(roofs.keep(found))
      woolly.must(floor.keep(noise))
    end
    local lines = table_of(found, counts)
    table.insert(lines, 1, string.format("machine %s: %s, %d cores", info.fingerprint:sub(1, 6),
                                         info.cpu or "?", info.n_cores or info.n_online))
    local more = floor_lines(noise)
    table.move(more, 1, #more, #lines + 1, lines)
    lines[#lines + 1] = where and "kept in " .. where or "not kept: " .. unfit
    local document = {}
    for key, value in pairs(found) do document[key] = value end
    document.machine, document.kept_in, document.noise = info, where or json.null, noise
    common.print(p, document, table.concat(lines, "\n"))
  end,
}

--- Long form, run by hand: woolly-lua tests/long/roof_truth.lua [ROUNDS]
--- The roofs against those of an independent tool, likwid-bench (package likwid), by turns. Its own
--- kernels read one or two arrays a thread; load4_avx, in its language, reads four as the roof does.
--- It asks for no huge pages: where transparent_hugepage is not "always", its memory and L3 are
--- those of small pages.
local numeric  = require "woolly.numeric"
local process  = require "woolly.process"
local roofline = require "woolly.roofline"
local stats    = require "woolly.stats"

local ROUNDS <const>, MOST <const> = tonumber(arg[1]) or 9, 1.10
local SECONDS <const>, MOST_BYTES <const> = 0.2, 256 * 1000 * 1000
local FMA <const> = "peakflops_sp_avx_fma"
local N_STREAMS <const> = { load_avx = 1, ddot_avx = 2, load4_avx = 4 }
local FOLDER <const> = "build/likwid"

local function load4()
  local lines = { "STREAMS 4", "TYPE DOUBLE", "FLOPS 0", "BYTES 32", "DESC loads of four streams",
                  "LOADS 16", "STORES 0", "INSTR_LOOP 19", "UOPS 18", "LOOP 16" }
  for i = 0, 15 do
    lines[#lines + 1] = string.format("vmovapd ymm%d, [STR%d + GPR1*8 + %d]", i % 8 + 1, i // 4,
                                      i % 4 * 32)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Large arrays begin apart, as the roof's do, so that they do not meet in the same cache sets.
local function workgroup(kernel, bytes, threads)
  local group = string.format("S0:%dkB:%d", bytes * threads // 1000, threads)
  if not N_STREAMS[kernel] or bytes < 1000000 then return group end
  local apart = {}
  for i = 1, N_STREAMS[kernel] do apart[i] = string.format("%d:S0:%d", i - 1, (i - 1) * 4608) end
  return group .. "-" .. table.concat(apart, ",")
end

--- 10^9 bytes, or multiply-adds, per second; `rate`: about what is expected of all threads.
local function likwid(kernel, bytes, threads, rate)
  local passes = math.ceil(SECONDS * 1e9 * rate / (bytes * threads))
  local found = assert(process.run { "sh", "-c",
    string.format("cd %s && likwid-bench -t %s -w %s -i %d 2>&1", FOLDER, kernel,
                  workgroup(kernel, bytes, threads), passes) })
  local told = found.out:match((kernel == FMA and "MFlops/s" or "MByte/s") .. ":%s+([%d.]+)")
  if not told then error("likwid-bench " .. kernel .. ": " .. found.out:sub(-300), 0) end
  return told / 1000 / (kernel == FMA and 2 or 1)
end

local function ours(case)
  return assert(roofline.measure { what = case.what, threads = case.threads, samples = 1,
    bytes = case.what == "read" and case.bytes or nil, sample_ms = 1000 * SECONDS }).best
end

local function add_case(cases, name, what, bytes, threads, kernels)
  local case = { name = name, what = what, bytes = math.min(bytes, MOST_BYTES), threads = threads,
                 kernels = kernels }
  for _, kernel in ipairs(kernels) do case[kernel] = { ours = {}, theirs = {}, ratios = {} } end
  cases[#cases + 1] = case
end

assert(process.make_folders(FOLDER))
assert(process.write_file(FOLDER .. "/load4_avx.ptt", load4()))

local cases = {}
for threads = 1, 2 do
  local sets = assert(roofline.sets(threads))
  for _, level in ipairs { "l1", "l2", "l3", "dram" } do
    if sets[level] then
      add_case(cases, level, "read", sets[level].bytes, threads,
               { "load_avx", "ddot_avx", "load4_avx" })
    end
  end
  add_case(cases, "f32", "f32", 16000, threads, { FMA })
end

for round = 1, ROUNDS do
  io.stderr:write(string.format("round %d of %d\n", round, ROUNDS))
  for _, case in ipairs(cases) do
    for _, kernel in ipairs(case.kernels) do
      local mine, pair = ours(case), case[kernel]
      local other = likwid(kernel, case.bytes, case.threads, mine)
      pair.ours[round], pair.theirs[round], pair.ratios[round] = mine, other, mine / other
    end
  end
end

--- The tool's answer is that of the kernel that reads fastest.
local met = true
for _, case in ipairs(cases) do
  local best
  for _, kernel in ipairs(case.kernels) do
    local rate = stats.median(case[kernel].theirs)
    if not best or rate > stats.median(case[best].theirs) then best = kernel end
  end
  local pair = case[best]
  local ratio, low, high = stats.median(pair.ratios), numeric.bootstrap_median(pair.ratios)
  local good = ratio <= MOST and ratio >= 1 / MOST
  met = met and good
  print(string.format("%-4s %d threads  ours %6.1f  %-20s %6.1f (medians)  "
    .. "ratio %.2f [%.2f, %.2f]  best of each %.2f  %s", case.name, case.threads,
    stats.median(pair.ours), best, stats.median(pair.theirs), ratio, low, high,
    math.max(table.unpack(pair.ours)) / math.max(table.unpack(pair.theirs)),
    good and "met" or "NOT MET"))
end
return met and 0 or 1

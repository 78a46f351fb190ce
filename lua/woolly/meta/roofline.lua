---@meta woolly.roofline
error("for editors only")

--- What this machine can do at most, measured (roofline.h). Scripts ask woolly.roofs, which keeps
--- the figures and computes with them.
---@class woolly.roofline
local roofline = {}

--- Instruction sets with loops of their own that this machine runs, lowest first.
---@return string[] names
function roofline.isas() end

--- Version of the method: figures of different versions are not comparable.
---@return integer
function roofline.method() end

---@class woolly.roofline.Set
---@field bytes integer      working set of each thread
---@field capacity? integer  what the level holds for all threads together; none: memory

--- The working sets to measure with, by level: l1, l2, l3, dram. A level that this machine does not
--- have or tell is absent.
---@param n_threads integer
---@return table<string, woolly.roofline.Set>
function roofline.sets(n_threads) end

---@class woolly.roofline.Measure
---@field what "read"|"f32"|"int8"|"int4"   bytes read, or multiply-adds
---@field isa? string                default: the highest
---@field threads? integer           default 1
---@field bytes? integer             working set of each thread, required to read
---@field samples? integer           default 9
---@field sample_ms? number          length of a sample, default 10

--- Measures with threads of its own. samples: 10^9 bytes or multiply-adds per second of all threads
--- together; best: the largest.
---@param options woolly.roofline.Measure
---@return {samples: number[], best: number}? result, string? message, string? code
function roofline.measure(options) end

return roofline

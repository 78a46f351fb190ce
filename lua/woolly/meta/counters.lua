---@meta woolly.counters
error("for editors only")

--- What this process and the machine did meanwhile: process counters, heap requests, hardware events,
--- samples of where the time goes. What cannot be read here is absent or says why.
---@class woolly.counters
local counters = {}

--- Every field of struct process_counters (process_counters.h) by its name, and script_bytes: what
--- of live_bytes the Lua state holds. A value that cannot be read here is absent.
---@return table<string, integer>
function counters.read() end

--- Sets the peak resident size back to the present one.
---@return true? ok, string? message, string? code
function counters.reset_peak() end

--- Whether an event can be counted here by this user; when not, why, and what would mend it.
---@param event string   "cycles", "LLC-load-misses", "sched:sched_switch", a name of libpfm4
---@return boolean available, string? reason
function counters.available(event) end

--- The events that can be asked for: name, kind ("software", "hardware", "tracepoint",
--- "processor") and what each counts.
---@param pattern? string   part of the name, or with *, ? and [] the whole name; case does not matter
---@return {name: string, kind: string, about: string}[]
function counters.list(pattern) end

---@class woolly.counters.OpenOptions
---@field threads? integer[]   thread ids; default: all threads that the process has now
---@field pid? integer         process to count; default: this one
---@field inherit? boolean     threads and processes that these start count too; default false

--- A group of events per thread. An event that is refused has its reason in Reading.missing; fails
--- when all are.
---@param events string[]      1 to 16 names
---@param options? woolly.counters.OpenOptions
---@return woolly.counters.Group? group, string? message, string? code
function counters.open(events, options) end

---@class woolly.counters.SamplerOptions
---@field pid? integer   process to sample; default: this one
---@field hz? integer    samples a second and thread, default 997

--- Samples where all threads that the process has now spend their time in user mode.
---@param options? woolly.counters.SamplerOptions
---@return woolly.counters.Sampler? sampler, string? message, string? code
function counters.sampler(options) end

--- Samples another process for a while.
---@param options {pid: integer, seconds?: number, hz?: integer}   seconds: default 2
---@return woolly.counters.Profile? profile, string? message, string? code
function counters.sample(options) end

--- Heap requests so far, bytes as asked for, of the calling thread and (where exact) of all threads
--- that ever lived: the whole malloc family, libc and libraries included. Not exact, in a build with a
--- sanitizer: those of our own code alone.
---@return {thread_requests: integer, thread_bytes: integer, requests?: integer, bytes?: integer, exact: boolean}
function counters.allocations() end

--- Mean time of a pair of malloc and free, by glibc alone and counted; the loops in C.
---@param options? {size?: integer, n?: integer}   default: 100000 pairs of 64 bytes
---@return number? plain_ns, number|string counted_ns, string? code
function counters.allocation_cost(options) end

--- What a process's memory is made of: rss_bytes, pss_bytes (pages shared by n processes count 1/n),
--- pss_anon_bytes (heap, stacks), pss_file_bytes (mapped files), private_bytes, shared_bytes,
--- huge_page_bytes, swap_bytes. Exact; 0.7 ms per 64 MiB.
---@param pid? integer   default: this process
---@return table<string, integer>? memory, string? message, string? code
function counters.memory(pid) end

--- Counts the heap requests of a running process by probes on its libc, in all its threads. A hit costs
--- the process 1.2 us. Needs root or CAP_PERFMON.
---@param options {pid: integer, seconds?: number}   seconds: default 2
---@return {requests: integer, seconds: number, n_threads: integer, object: string, functions: table<string, integer>}? found, string? message, string? code
function counters.heap_probe(options) end

--- What else goes on, to be read before and after something that is measured: every field of struct
--- noise (noise.h) by its name. A value that cannot be read here is absent. About 100 us.
---@return table<string, integer>
function counters.noise() end

---@class woolly.counters.Reading
---@field values table<string, integer>    counts over all threads, by event
---@field missing table<string, string>    why an event has none: refused, or not counted all the time
---@field running table<string, number>    share of the time that the event was on the PMU
---@field threads {tid: integer, values: table<string, integer>}[]
---@field used_rdpmc boolean               the calling thread was read without a system call

---@class woolly.counters.Group
local Group = {}

--- A window begins.
---@return true? ok, string? message, string? code
function Group:start() end

--- The window ends.
---@return true? ok, string? message, string? code
function Group:stop() end

--- Counts of the last window, or of the one under way so far.
---@return woolly.counters.Reading? reading, string? message, string? code
function Group:read() end

--- Mean time of n readings of one thread's group, the loop in C.
---@param n integer
---@return number? ns, string? message, string? code
function Group:read_cost_ns(n) end

--- Also `<close>`.
function Group:close() end

---@class woolly.counters.Share
---@field share number   0 to 1
---@field low number     95 % interval
---@field high number

---@class woolly.counters.Profile
---@field method string     how it was measured
---@field hz integer
---@field seconds number
---@field n_threads integer
---@field n_samples integer   decoded
---@field n_unknown integer   code that is gone or does not decode
---@field n_lost integer      the rings had no room for
---@field time table<string, woolly.counters.Share>           by class: scalar, sse, avx, avx2, avx512, fma, vnni; packed: all but scalar
---@field instructions table<string, woolly.counters.Share>   the same, each sample spread over its basic block
---@field functions {name: string, object: string, n_samples: integer, share: number, packed: number}[]   most samples first; packed: instruction share

---@class woolly.counters.Sampler
local Sampler = {}

--- Forgets earlier samples and begins.
---@return true? ok, string? message, string? code
function Sampler:start() end

--- Ends the window and tells what was found.
---@return woolly.counters.Profile? profile, string? message, string? code
function Sampler:stop() end

--- Also `<close>`.
function Sampler:close() end

return counters

---@meta woolly.process
error("for editors only")

--- Files, environment, terminal. Paths are used as given.
---@class woolly.process
---@field source_folder string   where scenarios/, gates/ and tests/fixtures/ of the source tree lie ("" when gone)
---@field program string         this program's file
---@field share_folder string    the installed share folder, next to the program's ../share/woolly-lua
local process = {}

--- An environment variable.
---@param name string
---@return string? value
function process.env(name) end

--- The working folder.
---@return string
function process.cwd() end

--- The process id.
---@return integer
function process.pid() end

--- Whether a file descriptor (0, 1, 2) is a terminal.
---@param fd integer
---@return boolean
function process.isatty(fd) end

--- Columns of the terminal on stderr, else 80.
---@return integer
function process.columns() end

--- True once Ctrl-C or SIGTERM came. Asking acknowledges the stop: the error "interrupted" is not
--- raised again.
---@return boolean
function process.interrupted() end

--- The signal that came: 2 or 15.
---@return integer?
function process.signal() end

--- Calls f(...) protected, like pcall. A stop (Ctrl-C, SIGTERM or the deadline) always ends here,
--- even when f catches errors in a loop or runs coroutines: it is raised as an error with the line
--- that ran ("phase1.lua:12: interrupted", "phase1.lua:12: stopped after 60.0 s"), once at first so
--- that `<close>` variables and clean-up code run, and 100 ms later at every instruction. After
--- guard has returned nothing is raised any more; engine calls stay cancelled after a signal, not
--- after a deadline. Coroutines cannot yield across it.
---@param f function
---@param ... any
---@return boolean ok    true and the results of f, or false, error value, reason
---@return any ...       reason: "interrupted", "timeout", "memory" (the script's cap or the
---                      machine's end), or nil for an error of f's own
function process.guard(f, ...) end

--- Stops whatever runs then, that many seconds from now: Lua code as described for guard, engine
--- calls by cancellation ("cancelled"). What cannot be stopped (a long pattern match, a finaliser)
--- ends the program with status 3 two seconds later. Without an argument (or 0): no deadline, and
--- one that passed is forgotten. A later call replaces an earlier one.
---@param seconds? number   up to 10^7
function process.deadline(seconds) end

--- A whole regular file.
---@param path string
---@param max_bytes? integer   default 8 MiB
---@return string? text, string? message, string? code
function process.read_file(path, max_bytes) end

--- Temporary file, sync, rename. "-" writes to standard output.
---@param path string
---@param text string
---@return true? ok, string? message, string? code
function process.write_file(path, text) end

--- Whether something is there.
---@param path string
---@return boolean
function process.exists(path) end

--- Names in a folder, sorted, without "." and "..".
---@param path string
---@return string[]? names, string? message, string? code
function process.list_folder(path) end

--- Makes a folder and those above it.
---@param path string
---@return true? ok, string? message, string? code
function process.make_folders(path) end

--- The user's cache folder for this program, made when absent.
---@return string? path, string? message, string? code
function process.cache_folder() end

--- Runs a program (no shell), waits, captures standard output (at most 1 MiB) and error.
---@param argv string[]
---@return {status: integer, out: string, err: string}? result, string? message, string? code
function process.run(argv) end

--- Starts a program (no shell, a process group of its own) that is talked to line by line. It is
--- ended with the Child, at the latest when this program ends: its input is closed then.
---@param argv string[]
---@return woolly.process.Child? child, string? message, string? code
function process.spawn(argv) end

---@class woolly.process.Child
local Child = {}

--- One line to its standard input.
---@param text string   without a line end
---@return true? ok, string? message, string? code
function Child:write_line(text) end

--- The next line of its standard output, without the line end; of 16 MiB at most. When the program
--- has ended, the message holds its status and the last line of its standard error.
---@param seconds? number   how long to wait for a whole line, default 60
---@return string? line, string? message, string? code
function Child:read_line(seconds) end

--- Its process id; nil when it is known to have ended.
---@return integer? pid
function Child:pid() end

--- Closes its input, waits half a second, then SIGTERM, a second later SIGKILL. Also `<close>`.
---@return integer status   128 + signal when one ended it
function Child:close() end

--- A lock that one process at a time has. It ends with the Lock, at the latest with this process,
--- however that ends; programs that this one starts do not hold it. The file is made and stays.
---@param path string
---@return woolly.process.Lock|false|nil lock, string? message, string? code   false: another has it
function process.lock(path) end

---@class woolly.process.Lock
local Lock = {}

--- Gives it up. Also `<close>`.
function Lock:close() end

--- Writes to standard error at once (progress lines).
---@param text string
function process.stderr(text) end

return process

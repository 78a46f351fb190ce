---@meta woolly.process
error("for editors only")

--- Files, environment, terminal. Paths are used as given.
---@class woolly.process
---@field source_folder string   where scenarios/, gates/ and tests/fixtures/ of the source tree lie ("" when gone)
---@field share_folder string    the installed share folder, next to the program's ../share/woolly-lua
local process = {}

---@param name string
---@return string? value
function process.env(name) end

---@return string
function process.cwd() end

---@return integer
function process.pid() end

--- Whether a file descriptor (0, 1, 2) is a terminal.
---@param fd integer
---@return boolean
function process.isatty(fd) end

--- Columns of the terminal on stderr, else 80.
---@return integer
function process.columns() end

--- True once Ctrl-C or SIGTERM came.
---@return boolean
function process.interrupted() end

--- The signal that came: 2 or 15.
---@return integer?
function process.signal() end

---@param path string
---@param max_bytes? integer   default 8 MiB
---@return string? text, string? message, string? code
function process.read_file(path, max_bytes) end

--- Temporary file, sync, rename. "-" writes to standard output.
---@param path string
---@param text string
---@return true? ok, string? message, string? code
function process.write_file(path, text) end

---@param path string
---@return boolean
function process.exists(path) end

--- Names in a folder, sorted, without "." and "..".
---@param path string
---@return string[]? names, string? message, string? code
function process.list_folder(path) end

---@param path string
---@return true? ok, string? message, string? code
function process.make_folders(path) end

---@return string? path, string? message, string? code
function process.cache_folder() end

--- Runs a program (no shell), waits, captures standard output (at most 1 MiB) and error.
---@param argv string[]
---@return {status: integer, out: string, err: string}? result, string? message, string? code
function process.run(argv) end

--- Writes to standard error at once (progress lines).
---@param text string
function process.stderr(text) end

return process

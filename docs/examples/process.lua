-- woolly-lua docs/examples/process.lua: files, programs, signals, the terminal.
local process = require "woolly.process"

print("process", process.pid(), "in", process.cwd(), "home", process.env "HOME") --> process
-- Lines of progress go to standard error, at once.
local width = process.columns() -- 80 without a terminal
process.stderr(process.isatty(2) and ("."):rep(width - 1) .. "\r" or "")

-- Files: read with a limit, written whole or not at all.
local folder = os.tmpname()
os.remove(folder)
assert(process.make_folders(folder .. "/a/b"))
local file = folder .. "/a/b/notes.txt"
assert(process.write_file(file, "one line\n"))
assert(process.exists(file) and assert(process.read_file(file)) == "one line\n")
local names = assert(process.list_folder(folder .. "/a/b"))
print("in it:", table.concat(names, " ")) --> in it:	notes.txt
print("what can be made again lies under", assert(process.cache_folder()))

-- One at a time: false means that another process has it.
local lock <close> = assert(process.lock(folder .. "/lock"))
-- ... the work that two must not do at once ...
lock:close()

-- A program, without a shell: its status and what it said.
local result = assert(process.run { "/bin/echo", "no $SHELL in between" })
print(result.status, result.out) --> no $SHELL in between

-- A program that is talked to line by line, and ends with us at the latest.
local child = assert(process.spawn { "/bin/cat" })
assert(child:write_line "ping")
print("the child", child:pid() and "says " .. assert(child:read_line(5))) --> says ping
assert(child:close() == 0)

-- No Ctrl-C and no SIGTERM so far. A long loop asks now and then, and keeps what it has.
assert(not process.interrupted() and process.signal() == nil)

-- A guard catches everything, a stop too; a deadline stops even an endless loop.
process.deadline(0.05)
local ok, message, reason = process.guard(function() while true do end end)
process.deadline()
assert(not ok and reason == "timeout")
print(message) --> stopped after

for _, name in ipairs { "/a/b/notes.txt", "/a/b", "/a", "/lock", "" } do
  os.remove(folder .. name)
end

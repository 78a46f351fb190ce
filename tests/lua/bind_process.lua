-- The module woolly.process as a script sees it. Stops by signals: tests/cli/test_host.lua.
local tap     = require "tap"
local process = require "woolly.process"
local clock   = require "woolly.clock"

local folder = os.tmpname()
os.remove(folder)
assert(process.make_folders(folder .. "/a/b"))

local function fails(code, part, value, message, found)
  tap.equal(value, nil, "value")
  tap.contains(message, part)
  tap.equal(found, code, "code")
end

-- ---- this process ----

tap.test("environment, working folder and process id are the real ones", function()
  tap.equal(process.env("WOOLLY_NO_SUCH_VARIABLE"), nil)
  tap.equal(process.env("PATH"), os.getenv("PATH"))
  tap.equal(process.cwd(), process.run({ "pwd", "-P" }).out:gsub("\n", ""), "folder")
  tap.truthy(process.exists("/proc/" .. process.pid()), "pid")
  tap.raises(function() process.env("A\0B") end, "may be 0")
  tap.raises(function() process.env() end, "string expected")
end)

tap.test("terminal questions have answers without a terminal", function()
  tap.equal(type(process.isatty(1)), "boolean")
  tap.truthy(process.columns() > 0, "columns")
  tap.raises(function() process.isatty(3) end, "0, 1 or 2")
  process.stderr("")
end)

tap.test("the folders of the program's files are strings", function()
  tap.truthy(process.source_folder == "" or process.exists(process.source_folder .. "/lua"),
             "source folder")
  tap.contains(process.share_folder, "/share/woolly-lua")
end)

-- ---- files ----

tap.test("a file is written whole and read back byte by byte", function()
  local path, text = folder .. "/file", "line\n\0\xFFend"
  tap.equal(process.write_file(path, text), true)
  tap.equal(process.read_file(path), text)
  tap.equal(process.write_file(path, ""), true)
  tap.equal(process.read_file(path), "")
  tap.truthy(process.exists(path), "exists")
  tap.equal(#process.list_folder(folder), 2, "no temporary file is left")
end)

tap.test("reading refuses what is too large, absent or no file", function()
  process.write_file(folder .. "/ten", "0123456789")
  tap.equal(process.read_file(folder .. "/ten", 10), "0123456789")
  fails("input", "10 bytes, allowed are 9", process.read_file(folder .. "/ten", 9))
  fails("input", "cannot be opened", process.read_file(folder .. "/absent"))
  fails("input", "not a regular file", process.read_file(folder))
  tap.raises(function() process.read_file(folder, -1) end, "0 or more")
  tap.raises(function() process.read_file("a\0b") end, "may be 0")
end)

tap.test("writing into a folder that is not there is refused", function()
  fails("environment", "cannot be written", process.write_file(folder .. "/no/file", "x"))
  tap.equal(process.exists(folder .. "/no"), false)
  tap.raises(function() process.write_file(folder) end, "string expected")
end)

tap.test("folders are listed sorted, made with their parents, and made twice", function()
  tap.equal(process.make_folders(folder .. "/list/z/y"), true)
  tap.equal(process.make_folders(folder .. "/list/z/y"), true)
  for _, name in ipairs { "b", "a", ".hidden", "B" } do
    process.write_file(folder .. "/list/" .. name, "")
  end
  tap.equal(table.concat(process.list_folder(folder .. "/list"), " "), ".hidden B a b z")
  tap.equal(#process.list_folder(folder .. "/list/z/y"), 0)
  fails("input", "cannot be listed", process.list_folder(folder .. "/absent"))
  fails("input", "cannot be listed", process.list_folder(folder .. "/list/a"))
  fails("environment", "cannot be made", process.make_folders(folder .. "/list/a/x"))
end)

tap.test("the cache folder exists", function()
  tap.truthy(process.exists(assert(process.cache_folder())), "cache folder")
end)

-- ---- programs ----

tap.test("a program's status, output and errors come back apart", function()
  local result = assert(process.run { "sh", "-c", "echo out; echo err >&2; exit 7" })
  tap.equal(result.status, 7)
  tap.equal(result.out, "out\n")
  tap.equal(result.err, "err\n")
  tap.equal(process.run({ "sh", "-c", "kill -9 $$" }).status, 137)
end)

tap.test("arguments reach the program as they are, without a shell", function()
  local result = process.run { "printf", "%s|", "a b", "$HOME", "*", "", "'\"" }
  tap.equal(result.out, "a b|$HOME|*||'\"|")
end)

tap.test("standard input is empty", function()
  tap.equal(process.run({ "cat" }).out, "")
end)

tap.test("both pipes are drained, and only the first mebibyte is kept", function()
  local script = "i=0; while [ $i -lt 40 ]; do head -c 65536 /dev/zero; " ..
                 "head -c 65536 /dev/zero >&2; i=$((i+1)); done; echo end"
  local result = process.run { "sh", "-c", script }
  tap.equal(result.status, 0)
  tap.equal(#result.out, 1 << 20)
  tap.equal(#result.err, 1 << 20)
end)

tap.test("a program that closes its output is still waited for", function()
  local result = process.run { "sh", "-c", "exec >&- 2>&-; sleep 0.05; exit 3" }
  tap.equal(result.status, 3)
end)

tap.test("a program that is not there is refused", function()
  fails("environment", "cannot be started", process.run { "woolly-no-such-program" })
  tap.raises(function() process.run {} end, "1..1024 strings")
  tap.raises(function() process.run { "echo", 5 } end, "must be a string")
  tap.raises(function() process.run { "echo", "a\0b" } end, "may be 0")
  tap.raises(function() process.run() end, "table expected")
end)

tap.test("many programs leave no file descriptor open", function()
  local function open() return #process.list_folder("/proc/self/fd") end
  local before = open()
  for _ = 1, 20 do process.run { "true" } end
  process.run { "woolly-no-such-program" }
  tap.equal(open(), before)
end)

-- ---- programs that run beside this one ----

local function spawn(script) return assert(process.spawn { "sh", "-c", script }) end

tap.test("a child answers line by line, long lines and empty ones too", function()
  local child <close> = spawn "while read -r line; do echo \"<$line>\"; done; exit 3"
  for _, line in ipairs { "a", "", "two words", string.rep("x", 200000), "end" } do
    tap.equal(child:write_line(line), true)
    tap.equal(child:read_line(), "<" .. line .. ">")
  end
  tap.truthy(process.exists("/proc/" .. child:pid()), "pid")
  tap.equal(child:close(), 3, "status")
  tap.equal(child:close(), 3, "status, again")
  tap.raises(function() child:read_line() end, "child is closed")
  tap.raises(function() child:write_line("x") end, "child is closed")
end)

tap.test("several lines that came at once are read one by one", function()
  local child <close> = spawn "printf 'one\\ntwo\\n\\nthree'"
  tap.equal(child:read_line(), "one")
  tap.equal(child:read_line(), "two")
  tap.equal(child:read_line(), "")
  fails("environment", "sh ended with status 0", child:read_line())
end)

tap.test("a child and its caller may both write much before they read", function()
  local child <close> = spawn "head -c 300000 /dev/zero | tr '\\0' y; echo; read -r line; \
    echo ${#line}; head -c 300000 /dev/zero >&2; echo end"
  tap.equal(child:write_line(string.rep("x", 300000)), true)
  tap.equal(#child:read_line(), 300000)
  tap.equal(child:read_line(), "300000")
  tap.equal(child:read_line(), "end")
end)

tap.test("a child that dies is named with its status and last words", function()
  local child <close> = spawn "echo out; echo first >&2; echo 'the reason' >&2; exit 9"
  tap.equal(child:read_line(), "out")
  fails("environment", "sh ended with status 9: the reason", child:read_line())
  tap.equal(child:pid(), nil)
  fails("environment", "sh ended with status 9", child:write_line("x"))
  local killed <close> = spawn "kill -9 $$"
  fails("environment", "ended with status 137", killed:read_line())
end)

tap.test("waiting for a line has an end", function()
  local child <close> = spawn "sleep 100"
  fails("environment", "no answer within 0.1 s", child:read_line(0.1))
  tap.raises(function() child:read_line(0) end, "more than 0")
  tap.raises(function() child:read_line(0 / 0) end, "more than 0")
end)

tap.test("closing ends a child that does not listen, and its own children", function()
  local child = spawn "trap '' TERM; sleep 100 & echo $!; cat >/dev/null; sleep 99"
  local grandchild = child:read_line()
  tap.equal(child:close(), 137)
  local function has_ended()
    local stat = process.run { "cat", "/proc/" .. grandchild .. "/stat" }
    return stat.status ~= 0 or stat.out:match "%) Z"
  end
  for _ = 1, 500 do -- it was told; the kernel takes its time
    if has_ended() then break end
    clock.sleep_ns(10000000)
  end
  tap.truthy(has_ended(), "grandchild ended")
end)

tap.test("a child that is not there is refused", function()
  fails("environment", "cannot be started", process.spawn { "woolly-no-such-program" })
  tap.raises(function() process.spawn {} end, "1..1024 strings")
  tap.raises(function() process.spawn { "echo", 5 } end, "must be a string")
  tap.raises(function() process.spawn { "echo", "a\0b" } end, "may be 0")
  local child <close> = spawn "cat"
  tap.raises(function() child:write_line("a\nb") end, "one line")
end)

tap.test("children leave no file descriptor and no process behind", function()
  local function open() return #process.list_folder("/proc/self/fd") end
  local before = open()
  for _ = 1, 10 do
    local child <close> = spawn "cat"
    child:write_line("x")
    tap.equal(child:read_line(), "x")
  end
  spawn "cat" -- nobody closes it: the collector does
  process.spawn { "woolly-no-such-program" }
  collectgarbage()
  collectgarbage()
  tap.equal(open(), before)
  local children = process.run { "cat", string.format("/proc/%d/task/%d/children", process.pid(),
                                                      process.pid()) }
  tap.equal(select(2, children.out:gsub("%d+", "")), 1, "children, the one that asks included")
end)

-- ---- guard and deadline ----

tap.test("guard passes results and errors through", function()
  local results = table.pack(process.guard(function(...) return ... end, 1, nil, 3))
  tap.equal(results.n, 4)
  tap.equal(results[1], true)
  tap.equal(results[4], 3)
  local value = {}
  local ok, err, reason = process.guard(error, value)
  tap.equal(ok, false)
  tap.equal(err, value)
  tap.equal(reason, nil)
  tap.equal(select("#", process.guard(error, "x")), 2)
  tap.raises(function() process.guard() end, "value expected")
  tap.equal(process.guard(nil), false)
end)

tap.test("guard names the lack of memory", function()
  local ok, _, reason = process.guard(string.rep, "x", 2000000000)
  tap.equal(ok, false)
  tap.equal(reason, "memory")
end)

local LIMIT <const> = 0.05

--- f runs until the deadline stops it; the error value.
local function stopped(f)
  local start = clock.now_ns()
  process.deadline(LIMIT)
  local ok, message, reason = process.guard(f)
  local seconds = (clock.now_ns() - start) / 1e9
  process.deadline()
  tap.equal(ok, false, "ok")
  tap.equal(reason, "timeout")
  tap.truthy(seconds >= LIMIT and seconds < 1.9, "stopped after " .. seconds)
  tap.contains(message, "stopped after 0.1 s")
  tap.contains(message, "bind_process.lua:")
end

local function forever() while true do end end

tap.test("a deadline stops loops, plain and under pcall", function()
  stopped(forever)
  stopped(function() while true do pcall(forever) end end)
  stopped(function() while true do pcall(pcall, forever) end end)
end)

tap.test("a deadline stops coroutines of every make", function()
  stopped(function() coroutine.wrap(forever)() end)
  stopped(function() while true do coroutine.resume(coroutine.create(forever)) end end)
  stopped(function() while true do pcall(coroutine.wrap(forever)) end end)
  stopped(function()
    local inner = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = forever })
      coroutine.yield()
    end)
    coroutine.resume(inner)
    coroutine.close(inner) -- returns the error, as pcall does
    forever()
  end)
end)

tap.test("a deadline stops metamethods, comparators and close handlers", function()
  stopped(function() return setmetatable({}, { __index = forever }).x end)
  stopped(function() table.sort({ 3, 2, 1 }, forever) end)
  stopped(function()
    local _ <close> = setmetatable({}, { __close = forever })
    forever()
  end)
end)

tap.test("a deadline ends sleeping and running a program", function()
  stopped(function()
    clock.sleep_ns(1900000000)
    forever()
  end)
  stopped(function()
    process.run { "sleep", "1.9" }
    forever()
  end)
  local child <close> = spawn "sleep 100"
  stopped(function()
    child:read_line()
    forever()
  end)
end)

tap.test("clean-up code runs before the stop insists", function()
  local is_closed = false
  stopped(function()
    local _ <close> = setmetatable({}, { __close = function() is_closed = true end })
    forever()
  end)
  tap.truthy(is_closed, "closed")
end)

tap.test("after a deadline everything works again", function()
  tap.equal(process.interrupted(), false)
  tap.equal(process.signal(), nil)
  tap.equal(process.run({ "echo", "x" }).out, "x\n")
  tap.equal(process.guard(function() return 1 end), true)
  process.deadline(3600)
  process.deadline(0)
  tap.raises(function() process.deadline(-1) end, "allowed are")
  tap.raises(function() process.deadline(0 / 0) end, "allowed are")
end)

-- ---- coroutines, whose functions the host replaces ----

tap.test("coroutines pass values both ways and die as usual", function()
  local co = coroutine.create(function(a, b)
    local c = coroutine.yield(a + b)
    return c * 2, "end"
  end)
  tap.equal(select(2, coroutine.resume(co, 1, 2)), 3)
  local ok, last, word = coroutine.resume(co, 5)
  tap.equal(ok, true)
  tap.equal(last, 10)
  tap.equal(word, "end")
  local again, message = coroutine.resume(co)
  tap.equal(again, false)
  tap.contains(message, "cannot resume dead coroutine")
  tap.contains(select(2, coroutine.resume(coroutine.running())), "cannot resume non-suspended")
  tap.raises(function() coroutine.resume(1) end, "coroutine expected")
  tap.raises(function() coroutine.wrap(1) end, "function expected")
end)

tap.test("a wrapped coroutine raises with its place and closes its variables", function()
  local is_closed = false
  local f = coroutine.wrap(function()
    local _ <close> = setmetatable({}, { __close = function() is_closed = true end })
    coroutine.yield(1)
    error("broken")
  end)
  tap.equal(f(), 1)
  tap.raises(f, "broken")
  tap.truthy(is_closed, "closed")
  tap.raises(f, "cannot resume dead coroutine")
  local value = {}
  local ok, err = pcall(coroutine.wrap(function() error(value) end))
  tap.equal(ok, false)
  tap.equal(err, value)
end)

tap.test("coroutine.close closes suspended ones and refuses running ones", function()
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() error("late") end })
    coroutine.yield()
  end)
  coroutine.resume(co)
  local ok, message = coroutine.close(co)
  tap.equal(ok, false)
  tap.contains(message, "late")
  tap.equal(coroutine.close(coroutine.create(print)), true)
  tap.raises(function() coroutine.close(coroutine.running()) end, "running")
  local outer = coroutine.running()
  local _, text = pcall(coroutine.wrap(function() coroutine.close(outer) end))
  tap.contains(text, "normal")
end)

tap.test("deep coroutine nesting is an error, not a crash", function()
  local function nest(n) return coroutine.wrap(function() return nest(n + 1) end)() end
  tap.raises(function() nest(1) end, "stack overflow")
end)

os.execute("rm -rf " .. folder)
tap.test("a lock is had by one at a time, and again when it was given up", function()
  local path = os.tmpname()
  local lock = assert(process.lock(path))
  tap.equal(process.lock(path), false)
  local other = assert(process.run { "flock", "-n", path, "true" })
  tap.equal(other.status, 1)
  lock:close()
  lock:close()
  do local _ <close> = assert(process.lock(path)) end
  tap.equal(assert(process.run { "flock", "-n", path, "true" }).status, 0)
  local none, message, code = process.lock("/nowhere/at/all")
  tap.equal(none, nil)
  tap.contains(message, "/nowhere/at/all")
  tap.equal(code, "environment")
  tap.raises(function() process.lock("a\0b") end, "no byte")
  os.remove(path)
end)

tap.done()

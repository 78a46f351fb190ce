-- woolly.data against gates that mean well and gates that do not.
local tap   = require "tap"
local data  = require "woolly.data"

local NAME <const> = "gates/test.lua"

local function refused(text, part, limits, code)
  local value, message, found = data.load(text, NAME, limits)
  tap.equal(value, nil, "value")
  tap.contains(message, part)
  tap.contains(message, NAME)
  tap.equal(found, code or "input", "code of " .. message)
  return message
end

local QUICK <const> = { seconds = 0.05 }

tap.test("plain data arrives with its types", function()
  local gate = assert(data.load([[
    local function twice(x) return 2 * x end
    return {
      title = "Matrix operations",
      limits = { tokens_per_second = { min = twice(0.5) }, n = { max = 3 }, b = { on = true } },
      list = { 1, "two", 3.5, [10] = "ten", [2.5] = "half" },
    }]], NAME))
  tap.equal(gate.title, "Matrix operations")
  tap.equal(math.type(gate.limits.tokens_per_second.min), "float")
  tap.equal(math.type(gate.limits.n.max), "integer")
  tap.equal(gate.limits.b.on, true)
  tap.equal(gate.list[2], "two")
  tap.equal(gate.list[10], "ten")
  tap.equal(gate.list[2.5], "half")
  tap.equal(getmetatable(gate), nil)
end)

tap.test("scalars, nothing, NUL bytes and shared tables are data too", function()
  tap.equal(data.load("return 1", NAME), 1)
  tap.equal(data.load("return false", NAME), false)
  tap.equal(select("#", data.load("", NAME)), 1)
  tap.equal(data.load("return 'a\\0b'", NAME), "a\0b")
  local shared = data.load("local t = {1} return {t, t}", NAME)
  tap.equal(shared[1][1] + shared[2][1], 2)
end)

tap.test("endless loops end at the time limit and name their line", function()
  for _, text in ipairs {
    "\nwhile true do end",
    "\n::again:: goto again",
    "\nlocal function f() return f() end f()",
    "\nrepeat until false",
    "\nfor i = 1, math_huge or 1e300 do end",
  } do
    local message = refused(text, "stopped after 0.1 s", { seconds = 0.051 })
    tap.contains(message, NAME .. ":2:")
  end
end)

tap.test("comparing huge strings in a loop ends in time as well", function()
  refused("local s = 'x' for i = 1, 23 do s = s .. s end while s < s .. 'y' do end",
          "stopped after", QUICK)
end)

tap.test("memory bombs end at the memory limit", function()
  local limits = { memory_mb = 8 }
  refused("local s = 'xxxxxxxx' while true do s = s .. s end", "more than 8 MB", limits)
  refused("local t = {} for i = 1, 1e9 do t[i] = {} end", "more than 8 MB", limits)
  refused("local function f() return 1 + f() end f()", "more than 8 MB", limits)
  refused("local t = {} while true do t = { t, t } end", "more than 8 MB", limits)
  tap.equal(data.load("return 1", NAME, limits), 1)
end)

tap.test("there is no library, no environment and no string method", function()
  for _, name in ipairs { "print", "pcall", "setmetatable", "require", "load", "os.exit", "io.open",
                          "debug.sethook", "collectgarbage", "string.rep", "rawset" } do
    refused("\n\n" .. name .. "()", NAME .. ":3:")
  end
  tap.equal(data.load("return _G", NAME), nil)
  tap.equal(next(data.load("return _ENV", NAME)), nil)
  refused("return ('x'):rep(1e9)", "attempt to index a string value")
  refused("return #nil", NAME .. ":1:")
end)

tap.test("what a gate writes into its environment stays there", function()
  tap.equal(data.load("print = 1 return print", NAME), 1)
  tap.equal(type(print), "function")
  tap.equal(data.load("return print", NAME), nil)
end)

tap.test("functions and cycles are refused by their place", function()
  refused("return function() end", "the result is a function")
  refused("return { limits = { a = function() end } }", "limits.a is a function")
  refused("local t = {} t.a = { b = t } return t", "a.b is a table that contains itself")
  refused("return { [true] = 1 }", "key that is neither")
  refused("return { [{}] = 1 }", "key that is neither")
end)

tap.test("64 levels and 10,000 entries are the limit", function()
  local function nested(n) return "return " .. ("{"):rep(n) .. ("}"):rep(n) end
  tap.truthy(data.load(nested(64), NAME), "64 levels")
  refused(nested(65), "deeper than 64")
  refused("local t = {} local r = t for i = 1, 1000 do t.x = {} t = t.x end return r", "deeper")
  tap.equal(#data.load("local t = {} for i = 1, 10000 do t[i] = i end return t", NAME), 10000)
  refused("local t = {} for i = 1, 10001 do t[i] = i end return t", "one entry too many")
  refused("local t = {1} for i = 1, 40 do t = { t, t } end return t", "one entry too many")
end)

tap.test("bytecode, byte order marks and huge sources are refused", function()
  refused(string.dump(function() end), "binary chunk")
  refused("\27Lua", "binary chunk")
  refused("\xEF\xBB\xBFreturn 1", "byte order mark")
  local longest = "return 1 --"
  longest = longest .. ("-"):rep((1 << 20) - #longest)
  tap.equal(data.load(longest, NAME), 1)
  refused(longest .. "-", "allowed are 1048576")
end)

tap.test("syntax errors name chunk and line, deep nesting ends cleanly", function()
  refused("return {\n  a = ,\n}", NAME .. ":2: unexpected symbol near ','")
  refused(("("):rep(100000), "overflow")
  refused("return " .. ("{"):rep(100000), "overflow")
  refused(("local a "):rep(300), "too many local variables")
  refused("return 'unfinished", "unfinished string")
end)

tap.test("error values of every kind become a message", function()
  refused("local a = nil return a.b", "attempt to index a nil value")
  refused("return {} < {}", "attempt to compare")
  refused("return 1 // 0", NAME .. ":1:")
end)

tap.test("a long chunk name is still named", function()
  local name = ("folder/"):rep(20) .. "gate.lua"
  local _, message = data.load("return nil + 1", name)
  tap.contains(message, "gate.lua:1:")
end)

tap.test("wrong arguments raise", function()
  tap.raises(function() data.load() end, "string expected")
  tap.raises(function() data.load("return 1") end, "string expected")
  tap.raises(function() data.load("return 1", NAME, { second = 1 }) end, "did you mean 'seconds'")
  tap.raises(function() data.load("return 1", NAME, { seconds = 0 / 0 }) end, "allowed")
  tap.raises(function() data.load("return 1", NAME, { memory_mb = -1 }) end, "allowed")
end)

tap.test("a thousand gates leave nothing behind", function()
  collectgarbage()
  local before = collectgarbage("count")
  for i = 1, 1000 do
    data.load(i % 2 == 0 and "return { { 1 } }" or "return function() end", NAME)
  end
  collectgarbage()
  collectgarbage() -- what has a finaliser goes in the second round
  tap.truthy(collectgarbage("count") < before + 256, "memory")
end)

tap.done()

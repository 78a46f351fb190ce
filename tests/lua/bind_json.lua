-- woolly.json: strict text in, equal text out for equal values.
local tap  = require "tap"
local json = require "woolly.json"

local function refused(text, part, name)
  local value, message, code = json.decode(text, name)
  tap.equal(value, nil, "value of " .. text)
  tap.contains(message, part)
  tap.equal(code, "input")
end

tap.test("values arrive with their types", function()
  local t = assert(json.decode '{"s":"x\\u00e9\\n","i":3,"f":0.5,"b":true,"n":null,"a":[1,[]]}')
  tap.equal(t.s, "x\u{E9}\n")
  tap.equal(math.type(t.i), "integer")
  tap.equal(math.type(t.f), "float")
  tap.equal(t.b, true)
  tap.equal(t.n, json.null)
  tap.equal(#t.a, 2)
  tap.equal(getmetatable(t.a), json.array_mt)
  tap.equal(getmetatable(t.a[2]), json.array_mt)
  tap.equal(getmetatable(t), nil)
end)

tap.test("any value may be the document", function()
  tap.equal(json.decode "1", 1)
  tap.equal(json.decode '"a"', "a")
  tap.equal(json.decode "false", false)
  tap.equal(json.decode "null", json.null)
  tap.equal(next(json.decode "{}"), nil)
end)

tap.test("integers are exact up to 2^53, larger exact ones are floats", function()
  tap.equal(json.decode "9007199254740992", 9007199254740992)
  tap.equal(math.type(json.decode "9007199254740992"), "integer")
  tap.equal(math.type(json.decode "1e2"), "integer")
  tap.equal(json.decode "18014398509481984", 2.0 ^ 54)
  tap.equal(1 / json.decode "-0", -math.huge)
  refused("9007199254740993", "not exact")
end)

tap.test("what is refused is named with its byte", function()
  refused("", "JSON: is empty")
  refused("{} x", "gate.json: byte 3: found 'x', the end of the text is required", "gate.json")
  refused('{"a":1,"a":2}', 'byte 7: duplicate key "a", first at byte 1')
  refused("\xEF\xBB\xBF{}", "byte order mark")
  refused('["\xFF"]', "valid UTF-8")
  refused("[1,]", "byte 3")
  refused("012", "begins with 0")
  refused("1e999", "larger than any double")
  refused("[NaN]", "NaN and Infinity are none")
  refused(("["):rep(65) .. ("]"):rep(65), "64 levels")
  refused("a\0b", "found 'a'")
  tap.raises(function() json.decode() end, "string expected")
  tap.raises(function() json.decode({}) end, "string expected")
end)

tap.test("objects are written sorted, so equal values give equal text", function()
  tap.equal(json.encode { b = 1, a = { y = true, x = json.null } },
            '{"a":{"x":null,"y":true},"b":1}')
  local t = {}
  for i = 1, 100 do t["k" .. (i * 37 % 101)] = i end
  local u = {}
  for i = 100, 1, -1 do u["k" .. (i * 37 % 101)] = i end
  tap.equal(json.encode(t), json.encode(u))
end)

tap.test("sequences and marked tables are arrays, other tables objects", function()
  tap.equal(json.encode { 1, 2, 3 }, "[1,2,3]")
  tap.equal(json.encode {}, "{}")
  tap.equal(json.encode(json.array()), "[]")
  tap.equal(json.encode(json.array {}), "[]")
  tap.equal(json.encode(json.array { "a" }), '["a"]')
  local t = {}
  tap.equal(json.array(t), t)
end)

tap.test("scalars keep every bit", function()
  tap.equal(json.encode(0.1), "0.1")
  tap.equal(json.encode(1.0), "1")
  tap.equal(json.encode(-0.0), "-0")
  tap.equal(json.encode(9007199254740991), "9007199254740991")
  tap.equal(json.encode(nil), "null")
  tap.equal(json.encode(true), "true")
  for _, x in ipairs { 1 / 3, math.pi, 5e-324, 1.7976931348623157e308, 41.799999999999997 } do
    tap.equal(json.decode(json.encode(x)), x)
  end
end)

tap.test("text is escaped and always valid UTF-8", function()
  tap.equal(json.encode "a\"\\/\n\1\127\u{20AC}", '"a\\"\\\\/\\n\\u0001\127\u{20AC}"')
  tap.equal(json.encode "a\0\xFFb", '"a\u{FFFD}\u{FFFD}b"')
  tap.equal(json.encode { ["k\xFF"] = 1 }, '{"k\u{FFFD}":1}')
end)

tap.test("indented text has two spaces a level and reads back", function()
  local text = json.encode({ a = { 1, json.array() }, b = {} }, { indent = true })
  tap.equal(text, '{\n  "a": [\n    1,\n    []\n  ],\n  "b": {}\n}')
  tap.equal(json.encode(json.decode(text)), '{"a":[1,[]],"b":{}}')
end)

tap.test("what JSON cannot hold raises", function()
  tap.raises(function() json.encode(0 / 0) end, "nan is no JSON")
  tap.raises(function() json.encode { a = { 1 / 0 } } end, "inf is no JSON")
  tap.raises(function() json.encode(math.maxinteger) end, "not exact")
  tap.raises(function() json.encode(print) end, "a function is no JSON")
  tap.raises(function() json.encode { io.stdout } end, "a userdata is no JSON")
  tap.raises(function() json.encode { 1, nil, 3 } end, "holes")
  tap.raises(function() json.encode { 1, a = 2 } end, "key that is no index")
  tap.raises(function() json.encode { [1.5] = 1 } end, "keys are strings")
  tap.raises(function() json.encode { ["a\0b"] = 1 } end, "NUL byte")
  tap.raises(function() json.encode() end, "value expected")
  tap.raises(function() json.encode(1, { indnet = true }) end, "did you mean 'indent'")
  tap.raises(function() json.array(1) end, "table expected")
  local cycle = {}
  cycle.a = cycle
  tap.raises(function() json.encode(cycle) end, "deeper than 64")
end)

tap.test("64 levels pass both ways", function()
  local text = ("["):rep(64) .. ("]"):rep(64)
  tap.equal(json.encode(json.decode(text)), text)
end)

tap.test("thousands of refusals leave nothing behind", function()
  local counters = require "woolly.counters"
  local function round(n)
    for _ = 1, n do
      json.decode('{"a":[1,2,{"b":"x"}]} x')
      pcall(json.encode, { a = { b = { 1, 2, "text", print } } })
      json.decode(json.encode({ a = { 1, 2, 3 } }))
    end
    collectgarbage()
    collectgarbage()
    return counters.read().live_bytes
  end
  local before = round(100)
  tap.truthy(round(2000) < before + 65536, "live bytes")
end)

tap.done()

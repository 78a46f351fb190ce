-- woolly-lua docs/examples/json.lua: JSON, strictly by RFC 8259.
local json = require "woolly.json"

-- Keys are written sorted: equal tables are equal texts, and can be compared as such.
print(json.encode { threads = 2, model = "tiny", rates = { 41.5, 42 } })
--> {"model":"tiny","rates":[41.5,42],"threads":2}

-- An empty table is an object; json.array says that it is a list.
print(json.encode { list = json.array {}, object = {} }) --> {"list":[],"object":{}}

-- null is json.null and not nil, so that a key with it is kept.
local value = assert(json.decode('{"seed": null, "n": 7}'))
assert(value.seed == json.null and math.type(value.n) == "integer")

-- What is not JSON is refused by the byte; the name is for the message.
local nothing, message, code = json.decode("{'n': 7}", "settings.json")
assert(nothing == nil and code == "input")
print(message) --> settings.json

-- woolly-lua docs/examples/woolly_tool.lua [FILE...]: a tool has options and an exit status, but no
-- samples and no gate. This one says what script files declare.
local woolly = require "woolly"

-- A phase is declared the same way: scenarios whose samples one gate judges together.
local example = woolly.phase {
  about = "Everything that must hold before a demo",
  gate = "phase1",
  tests = { "smoke", "inference_speed" },
  missing = { ole_integration_ready = "no server in the demo" },
}

return woolly.tool {
  about = "Says what scripts declare",
  arguments = "[FILE...]",
  params = { long = { default = false, help = "their line of --list, too" } },
  run = function(p)
    print("the example", woolly.kind(example)) --> the example	phase
    for _, path in ipairs(p.arguments) do
      local ok, declared = pcall(dofile, path)
      if not ok then woolly.fail(path .. ": " .. tostring(declared)) end
      local kind = woolly.kind(declared) -- nil: a plain script or something else
      print(path, kind or "plain", kind and p.long and declared.about or "")
    end
    return 0 -- the exit status
  end,
}

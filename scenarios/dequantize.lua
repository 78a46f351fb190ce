local common = require "woolly.common"
local engine = require "woolly.engine"
local process = require "woolly.process"
local woolly = require "woolly"

return woolly.tool {
  about = "Decodes raw blocks of one tensor type to float32",
  params = {
    type = { type = "string", required = true, help = "tensor type as GGUF spells it: Q4_K" },
    ["in"] = { type = "string", required = true, help = "file with whole raw blocks" },
    out = { type = "string", required = true, help = "file for the little-endian float32 values" },
    isa = { default = "best", help = "instruction set: scalar, best, avx2, ..." },
    json = common.json_param,
  },
  run = function(p)
    local raw = woolly.must(process.read_file(p["in"], 1 << 28))
    local values, message, code = engine.dequantize(p.type, raw, p.isa)
    if not values then woolly.fail(p["in"] .. ": " .. message, code) end
    woolly.must(process.write_file(p.out, values))
    common.print(p, { type = p.type, isa = p.isa, n_values = #values // 4, out = p.out },
                 string.format("%s: %d values to %s", p.type, #values // 4, p.out))
  end,
}

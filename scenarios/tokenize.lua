local common = require "woolly.common"
local json = require "woolly.json"
local process = require "woolly.process"
local woolly = require "woolly"

return woolly.tool {
  about = "Turns text into token ids",
  model = true,
  params = {
    text = { type = "string", help = "the text" },
    file = { type = "string", help = "a file with the text, taken as bytes" },
    plain = { default = false, help = "no BOS or EOS, special tokens in the text are plain text" },
    json = common.json_param,
  },
  run = function(p)
    if (p.text == nil) == (p.file == nil) then woolly.fail("give either --text T or --file F") end
    local text = p.text or woolly.must(process.read_file(p.file))
    local model <close> = woolly.model(p)
    local ids = model:tokenize(text, { bos = not p.plain, special = not p.plain })
    common.print(p, { ids = json.array(ids) }, table.concat(ids, " "))
  end,
}

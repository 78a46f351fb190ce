local bench = require "woolly.bench"
local common = require "woolly.common"
local roofs = require "woolly.roofs"
local woolly = require "woolly"

return woolly.tool {
  about = "Tokens per second of prompts (pp) and generation (tg) as a Markdown table, with roofs",
  params = {
    models = { default = "synth:110m-q4_0", help = "models, with commas between them" },
    preset = { type = "string", help = "presets, with commas; default: the last one there is" },
    switches = { type = "string",
                 help = "changes to each preset: backend=avx2; without lookup=N no guesses" },
    threads = { type = "list", help = "numbers of threads; default: the preset's" },
    n_prompt = { type = "list", default = { 512 }, help = "tokens of the prompts; 0: none" },
    n_gen = { type = "list", default = { 128 }, help = "tokens to generate; 0: none" },
    depth = { type = "list", default = { 0 }, help = "tokens in the KV cache before the test" },
    n_batch = { type = "integer", help = "prompt tokens per block; default: the engine's" },
    runs = { default = 5, help = "repetitions of each test, after one that is not counted" },
    roofs = roofs.param,
    json = common.json_param,
  },
  run = bench.run,
}

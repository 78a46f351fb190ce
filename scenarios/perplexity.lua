local common = require "woolly.common"
local process = require "woolly.process"
local woolly = require "woolly"

return woolly.tool {
  about = "Perplexity of a text, by llama-perplexity's definition",
  help = "Chunks of --ctx ids, the first of each replaced by BOS, the second half scored.",
  model = true,
  params = {
    text = { type = "string", required = true, help = "file with the text" },
    ctx = { default = 512, help = "ids per chunk" },
    preset = { default = "p1", help = "engine switches: p0, p1" },
    json = common.json_param,
  },
  run = function(p)
    local text = woolly.must(process.read_file(p.text, 1 << 28))
    local model <close> = woolly.model(p)
    local context <close> = woolly.must(model:context { preset = p.preset, n_ctx = p.ctx })
    local result = woolly.must(context:perplexity(model:tokenize(text), { n_ctx = p.ctx }))
    common.print(p, {
      perplexity = result.perplexity, nll_mean = result.nll_mean, n_scored = result.n_scored,
      n_chunks = result.n_chunks, n_ctx = p.ctx, preset = p.preset,
    }, string.format("perplexity %.6f over %d ids in %d chunks of %d", result.perplexity,
                     result.n_scored, result.n_chunks, p.ctx))
  end,
}

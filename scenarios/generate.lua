local common = require "woolly.common"
local json = require "woolly.json"
local process = require "woolly.process"
local woolly = require "woolly"

--- The prompt's ids, from the one of three options that is given.
local function prompt_ids(p, model)
  local given = (p.prompt and 1 or 0) + (p.prompt_file and 1 or 0) + (p.ids and 1 or 0)
  if given ~= 1 then woolly.fail("give one of --prompt T, --prompt_file F, --ids 1,2,3") end
  if p.ids then return p.ids end
  local ids = model:tokenize(p.prompt or woolly.must(process.read_file(p.prompt_file)))
  if #ids == 0 then woolly.fail("the prompt has no tokens and this vocabulary adds no BOS") end
  return ids
end

return woolly.tool {
  about = "Generates text: greedy, EOS ignored",
  model = true,
  params = {
    prompt = { type = "string", help = "the prompt; empty: BOS alone" },
    prompt_file = { type = "string", help = "a file with the prompt" },
    ids = { type = "list", help = "the prompt as token ids: 1,2,3" },
    max_tokens = { default = 64, help = "tokens to generate" },
    preset = { default = "p1", help = "engine switches: p0, p1" },
    temperature = { default = 0.0, help = "0 is greedy" },
    seed = { default = 0, help = "of the sampler" },
    logits = { type = "string",
               help = "file for the prompt's logits: float32 [n_prompt, n_vocab]" },
    json = common.json_param,
  },
  run = function(p)
    local model <close> = woolly.model(p)
    local ids = prompt_ids(p, model)
    local context <close> = woolly.must(model:context { preset = p.preset,
                                                        n_ctx = #ids + p.max_tokens })
    local prefill = woolly.must(context:prefill(ids, { logits_file = p.logits }))
    local result = woolly.must(context:decode { n_tokens = p.max_tokens, seed = p.seed,
                                                temperature = p.temperature })
    local tokens, times = result.tokens, result.times_ns
    local seconds = #times > 1 and (times[#times] - times[1]) / 1e9 or 0
    local text = model:detokenize(tokens)
    common.print(p, {
      prompt_ids = json.array(ids), tokens = json.array(tokens), text = text,
      finish_reason = result.finish_reason, preset = p.preset,
      prefill_ms = (prefill.end_ns - prefill.start_ns) / 1e6,
      tokens_per_second = seconds > 0 and (#times - 1) / seconds or json.null,
    }, text)
  end,
}

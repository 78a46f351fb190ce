local common = require "woolly.common"
local counters = require "woolly.counters"
local options = require "woolly.options"
local session = require "woolly.session"
local woolly = require "woolly"

local COLUMNS <const> = { "file", "kv_cache", "scratch", "weight_cache", "packed_weights" }

return woolly.tool {
  about = "Memory that a model, a prompt and some tokens take in a process of their own",
  model = true,
  params = {
    preset = { default = "p5", help = "engine switches of a phase" },
    switches = { type = "string", help = "changes to the preset" },
    threads = { type = "list", help = "worker threads; the first counts" },
    n_ctx = { default = 512, help = "tokens that the KV cache has room for" },
    n_prompt = { default = 32, help = "tokens of the prompt" },
    n_tokens = { default = 4, help = "tokens to decode" },
    json = common.json_param,
  },
  run = function(p)
    p.switches = options.switches(p.switches)
    local model = woolly.model(p)
    local n_ctx = math.max(p.n_ctx, p.n_prompt + p.n_tokens)
    do
      local context <close> = woolly.context(model, p, { n_ctx = n_ctx })
      woolly.must(context:prefill(common.prompt(model, p.n_prompt)))
      woolly.must(context:decode { n_tokens = p.n_tokens })
      local now, parts = counters.read(), context:memory()
      local found = { file = model:info().file_bytes, kv_cache = parts.kv_bytes,
                      scratch = parts.scratch_bytes, weight_cache = parts.cache_bytes,
                      packed_weights = parts.packed_bytes, heap = now.live_bytes,
                      peak_rss = now.peak_rss_bytes, preset = p.preset,
                      switches = context:switches() }
      local lines = {}
      for i, name in ipairs(COLUMNS) do
        lines[i] = string.format("%-16s %9.1f MB", name:gsub("_", " "), found[name] / 1e6)
      end
      lines[#lines + 1] = string.format(
        "%-16s %9.1f MB, %.1f MB beside the file and the KV cache", "peak resident",
        found.peak_rss / 1e6, (found.peak_rss - found.file - found.kv_cache) / 1e6)
      common.print(p, found, table.concat(lines, "\n"))
    end
    session.close()
  end,
}

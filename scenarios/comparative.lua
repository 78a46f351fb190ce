local engine = require "woolly.engine"
local reference = require "woolly.reference"
local woolly = require "woolly"

-- Nats. Two right engines differ by how they round activations; a wrong one is whole nats away.
local MOST_KLD <const> = 0.1
local PRESETS <const> = engine.presets()

return woolly.scenario {
  about = "Decode and prefill rates against llama.cpp: same file, threads, ids; interleaved pairs",
  help = "Every run is a pair of generations, one by each engine; who is first alternates.\n"
    .. "Of llama.cpp only the time inside llama_decode counts (no sampling, no JavaScript), with\n"
    .. "the flash attention setting that is faster. ./run.sh --with-llama-cpp comparative.lua\n"
    .. "installs it in the cache folder.",
  title = "Against llama.cpp",
  gate = "phase5",
  needs = "native",
  preset = PRESETS[#PRESETS],
  runs = 10,
  metrics = { "llama_cpp_performance_ratio", "llama_cpp_prefill_ratio", "llama_cpp_kld_mean",
              "llama_cpp_top1_agreement" },
  params = {
    reference = { default = "llama_cpp", choices = { "llama_cpp" }, help = "the other engine" },
    n_prompt = { default = 512, help = "tokens of the prompt" },
    n_tokens = { default = 64, help = "tokens to decode" },
    n_check = { default = 32, help = "positions whose logits are compared first" },
    flash_attention = { default = "best", choices = { "best", "on", "off" },
                        help = "llama.cpp's; best: the faster one, found for each rate" },
  },
  setup = reference.open,
  check = function(t, state) reference.check(t, state, MOST_KLD) end,
  measure = reference.pair,
  finish = reference.finish,
  notes = reference.notes,
}

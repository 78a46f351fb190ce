local engine = require "woolly.engine"
local reference = require "woolly.reference"
local reference_bench = require "woolly.reference_bench"
local reference_http = require "woolly.reference_http"
local service = require "woolly.service"
local woolly = require "woolly"

-- Nats. Two right engines differ by how they round activations; a wrong one is whole nats away.
local MOST_KLD <const> = 0.1
local IN_PROCESS <const> = { "llama_cpp_performance_ratio", "llama_cpp_prefill_ratio",
                             "llama_cpp_kld_mean", "llama_cpp_top1_agreement" }
local HTTP <const> = { "other_tokens_per_second_ratio", "other_ttft_ratio", "other_output_ratio" }
local PRESETS <const> = engine.presets()

-- Which engine the command line names decides what is measured, and by which gate it is judged.
local named = (" " .. table.concat({ ... }, " ") .. " "):match "%-%-reference[= ]([%w_]+) "
local over_http = named == "openai" or named == "llama_server"
local other = over_http and reference_http or named == "llama_bench" and reference_bench
  or reference

return woolly.scenario {
  about = "Rates against another engine: llama.cpp in process, or any server over HTTP; in pairs",
  help = "Every run is a pair of generations, one by each engine; who is first alternates.\n"
    .. "Of llama.cpp only the time inside llama_decode counts (no sampling, no JavaScript), with\n"
    .. "the flash attention setting that is faster. ./run.sh --with-llama-cpp comparative.lua\n"
    .. "installs it in the cache folder.\n"
    .. "--reference openai --url URL: our server and the one at URL, over HTTP, same prompts:\n"
    .. "decode rate, wait for the first token, tokens of --n_users together. --reference\n"
    .. "llama_server: the same with the user's own llama-server, started on the model.\n"
    .. "--reference llama_bench: rates of the user's own llama-bench, one repetition a pair.",
  title = over_http and "Against another server" or "Against llama.cpp",
  gate = not over_http and "phase5" or nil,
  needs = "native",
  helpers = true,
  preset = PRESETS[#PRESETS],
  runs = 10,
  metrics = over_http and HTTP or IN_PROCESS,
  params = {
    reference = { default = "llama_cpp", choices = { "llama_cpp", "llama_bench", "llama_server",
                                                    "openai" }, help = "the other engine" },
    n_prompt = { default = 512, help = "tokens of the prompt" },
    n_tokens = { default = 64, help = "tokens to decode" },
    n_check = { default = 32, help = "positions whose logits are compared first" },
    n_requests = { default = 4, help = "over HTTP: generations of one user per pair" },
    n_users = { default = 4, help = "over HTTP: users at once" },
    api = { default = "completions", choices = { "completions", "chat" },
            help = "over HTTP: OpenAI's route that is asked" },
    llama_bench = { default = "llama-bench", help = "program of --reference llama_bench" },
    llama_server = { default = "llama-server", help = "program of --reference llama_server" },
    pid = service.params.pid, key = service.params.key, ca_file = service.params.ca_file,
    flash_attention = { default = "best", choices = { "best", "on", "off" },
                        help = "llama.cpp's; best: the faster one, found for each rate" },
  },
  setup = other.open,
  check = function(t, state)
    if other == reference then reference.check(t, state, MOST_KLD) end
  end,
  measure = other.pair,
  finish = other.finish,
  notes = other.notes,
}

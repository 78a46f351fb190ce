-- Stands for node and llama.cpp in tests: speaks the target's protocol, answers with our engine's
-- tokens and logits, and misbehaves as FAKE_LLAMA says. Run by the program under test.
local engine = require "woolly.engine"
local json = require "woolly.json"
local process = require "woolly.process"

local mode = process.env "FAKE_LLAMA" or ""
local path = arg[3] -- behind the script's file and the folder of the libraries
local log = process.env "FAKE_LLAMA_LOG"

local function say(answer)
  io.stdout:write(type(answer) == "string" and answer or json.encode(answer), "\n")
  io.stdout:flush()
end

local function note(text)
  if not log then return end
  local file = assert(io.open(log, "a"))
  file:write(text, "\n")
  file:close()
end

note("pid " .. process.pid())
if mode == "refuse" then
  say { error = "unknown model architecture" }
  os.exit(1)
end
local model = assert(engine.load(path))
say { ready = true, system = "fake" }

-- Nanoseconds that a prompt or a token is said to have taken: far from any real figure.
local CLAIMED <const> = { fast = 1, slow = 1000000000000 }

local function generate(request)
  local context <close> = assert(model:context { preset = "p0", n_ctx = request.n_ctx })
  local prefill = assert(context:prefill(request.tokens))
  local decode = assert(context:decode { n_tokens = request.max_tokens })
  local times, n = decode.times_ns, #decode.tokens
  if mode == "short" then table.remove(decode.tokens) end
  if mode == "other" then decode.tokens[3] = 0 end
  return { tokens = decode.tokens, times_ns = times, start_ns = prefill.start_ns,
           prefill_ns = CLAIMED[mode] or prefill.end_ns - prefill.start_ns,
           decode_ns = CLAIMED[mode] or times[n] - times[1] }
end

local function logits(request)
  local context <close> = assert(model:context { preset = "p0", n_ctx = request.n_ctx })
  assert(context:prefill(request.tokens, { logits_file = request.path }))
  if mode == "wrong" then -- every row says: token 0, and nothing else
    local row = string.pack("<f", 30) .. string.rep(string.pack("<f", 0), model:info().n_vocab - 1)
    assert(process.write_file(request.path, row:rep(#request.tokens)))
  end
  return { rows = #request.tokens }
end

for line in io.lines() do
  local request = assert(json.decode(line))
  note(string.format("%s %d %s", request.op, request.threads, tostring(request.flash_attention)))
  if mode == "die" then
    io.stderr:write("Error: out of luck\n")
    os.exit(7)
  elseif mode == "garbage" then
    say "Segmentation fault"
  elseif mode == "silent" then
    note "waits"
  elseif mode == "error" then
    say { error = "Eval has failed" }
  else
    local answer = (request.op == "logits" and logits or generate)(request)
    answer.idle_ns, answer.idle_cpu_ns = 1000000, 1000
    say(answer)
  end
end

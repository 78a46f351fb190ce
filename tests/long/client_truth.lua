--- Long form, run by hand: woolly-lua tests/long/client_truth.lua SCRIPTED_SERVER
--- The load client against a server that says when it sent what: 32 streams of 1,000 tokens/s, as a
--- closed and as an open loop. The server's program and the client share the machine, so the truth
--- is what the server saw itself do, stream by stream, not what it was asked for.
local http    = require "woolly.http"
local process = require "woolly.process"
local stats   = require "woolly.stats"

local MOST_MS <const>, STREAMS <const>, TOKENS <const> = 1.0, 32, 1000
local BODY <const> = '{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}'

local program = arg[1] or "build/tests/scripted_server"
local server <close> = assert(process.spawn { program })
local url = assert(server:read_line(5)):match("%S+") .. "/told-5-1-" .. TOKENS

local function differences(found, name, truth)
  local seen, true_ones, out = found:values(name), found:values(truth), {}
  for i, value in ipairs(seen) do out[i] = math.abs(value - true_ones[i]) end
  return out
end

local function row(name, values, percentile)
  local found = stats.percentile(values, percentile)
  print(string.format("  %-34s p50 %7.3f  p95 %7.3f  p99 %7.3f  ms   %s", name,
    stats.percentile(values, 50), stats.percentile(values, 95), stats.percentile(values, 99),
    found <= MOST_MS and "met" or "NOT MET"))
  return found <= MOST_MS
end

local met = true
for _, options in ipairs {
  { shape = "closed", users = STREAMS, requests = 10 * STREAMS },
  { shape = "constant", rate = STREAMS, requests = 10 * STREAMS, max_in_flight = 2 * STREAMS },
} do
  local found = assert(http.load(url, { "Content-Type: application/json" }, { BODY }, options))
  local summary = found:summary()
  print(string.format("%s: %d of %d streams of %d tokens", options.shape, summary.completed,
                      summary.issued, TOKENS))
  local tpot = found:values "tpot_ms"
  for i, value in ipairs(tpot) do tpot[i] = math.abs(value - 1) end
  met = row("own lag (p99 at most 1)", found:values "lag_ms", 99) and met
  met = row("TTFT, off by (p50)", differences(found, "ttft_ms", "queue_ms"), 50) and met
  met = row("TPOT, off by (p99)", tpot, 99) and met
  met = row("longest gap, off by (p50)", differences(found, "max_gap_ms", "prefill_ms"), 50) and met
end
return met and 0 or 1

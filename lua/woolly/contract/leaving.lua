--- Contract: a client that goes away ends its computation.
local clock = require "woolly.clock"

local leaving = {}

local PATH <const> = "/api/v1/inference/complete"
local TOO_LONG_S <const> = 2 -- for the server to notice and end it
local ROUNDS <const> = 3

--- Waits until a gauge says so; the last value otherwise.
local function settled(t, name, wanted)
  local until_ns, value = clock.now_ns() + TOO_LONG_S * 1e9, t:metric(name)
  while value ~= wanted and clock.now_ns() < until_ns do
    clock.sleep_ns(20000000)
    value = t:metric(name)
  end
  return value
end

function leaving.run(t)
  local before = t:metric "woolly_completion_tokens_total"
  local streams = t:metric "woolly_active_streams"
  t:check("metrics tell tokens and active streams", before and streams, "found %s and %s",
          tostring(before), tostring(streams))
  if not (before and streams) then return end
  local cancelled = t:metric "woolly_generations_cancelled_total" or 0
  local long = { prompt = "Once upon a time", max_tokens = 900, temperature = 1, seed = 1,
                 ignore_eos = true }
  local left
  for _ = 1, ROUNDS do left = t:stream(PATH, long, { hang_up_events = 3 }) end
  t:check("the client left in mid-stream", left.failure == "cancelled" and #left.events == 3,
          "%s", tostring(left.message))
  t:equal("its stream ends on the server", settled(t, "woolly_active_streams", 0), 0)
  local after = t:metric "woolly_completion_tokens_total"
  clock.sleep_ns(200000000)
  t:equal("no token is made for it any more", t:metric "woolly_completion_tokens_total", after)
  t:check("most of its tokens were never made", after - before < ROUNDS * 900 / 2,
          "%d of %d were", after - before, ROUNDS * 900)
  t:equal("it is counted as cancelled",
          (t:metric "woolly_generations_cancelled_total" or 0) - cancelled, ROUNDS)
  local answer = t:post(PATH, { prompt = "Once", max_tokens = 2 })
  t:equal("others are served afterwards: status", answer.status, 200)
end

return leaving

--- Contract: many at once: each gets what it would get alone, and who finds no place is told so.
local http   = require "woolly.http"
local json   = require "woolly.json"
local openai = require "woolly.targets.openai"

local queue = {}

local PROMPTS <const> = { "Once upon a time", "The dog", "Lily saw a", "One day", "There was",
                          "Tom and", "The big red", "In the park" }

local function load(t, bodies, options)
  options.keep_text = true
  return assert(http.load(t.service.url .. "/v1/completions", t.service:headers(), bodies,
                          t.service:limits(options)))
end

local function together(t)
  local bodies, alone = {}, {}
  for i, prompt in ipairs(PROMPTS) do
    bodies[i] = openai.body(t.model, "completions", { prompt = prompt, max_tokens = 12 })
    local body = json.decode(bodies[i])
    body.stream, body.stream_options = nil, nil
    alone[i] = select(3, t:generate("/v1/completions", body))
  end
  local found <close> = load(t, bodies, { users = #bodies, requests = #bodies, max_tokens = 12 })
  local summary, differs = found:summary(), nil
  t:equal("eight streams at once: all complete", summary.completed, #bodies)
  for i = 1, summary.sent do
    local one = found:request(i)
    if one.text ~= alone[one.body] then differs = differs or one.body end
  end
  t:check("eight streams at once: each says what it says alone", not differs, "prompt %s differs",
          tostring(differs))
end

local function crowd(t)
  local body = openai.body(t.model, "completions", { prompt = "Once upon a time",
                                                     max_tokens = 200 })
  local found <close> = load(t, { body }, { users = 160, requests = 160, max_tokens = 200,
                                            drain_s = 60 })
  local summary = found:summary()
  local limited, others = summary.failures.rate_limit or 0, {}
  for class, n in pairs(summary.failures) do
    if class ~= "rate_limit" and class ~= "unavailable" then
      others[#others + 1] = string.format("%s %d", class, n)
    end
  end
  limited = limited + (summary.failures.unavailable or 0)
  t:check("160 at once: some are told to come back (429 or 503)", limited > 0, "none was")
  t:check("160 at once: who has a place is served", summary.completed >= 32
    and summary.completed + limited == 160, "%d completed, %d refused, %s", summary.completed,
    limited, table.concat(others, ", "))
  local example = summary.examples.rate_limit or summary.examples.unavailable or ""
  t:check("160 at once: the refusal says when to come back (Retry-After)",
          example ~= "" and not example:find("no Retry-After", 1, true), "%s", example)
  t:equal("afterwards all is as before: status",
          t:post("/api/v1/inference/complete", { prompt = "Once", max_tokens = 2 }).status, 200)
end

function queue.run(t)
  together(t)
  if t.is_ours or t.may_crowd then crowd(t) end
end

return queue

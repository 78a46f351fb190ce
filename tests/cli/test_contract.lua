--- The HTTP contract: our server keeps it, and a server that breaks one thing fails that check.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local function failed_of(path)
  local failed, checks = {}, json.decode(cli.read(path)).checks
  for _, check in ipairs(checks) do
    if not check.ok then failed[#failed + 1] = check.part .. ": " .. check.name end
  end
  return failed, checks
end

tap.test("our server keeps the contract, in more than 120 named checks", function()
  local path = cli.path "contract.json"
  local result = cli.run { "contract.lua", "--model", cli.small_model, "--quiet", "--json", path }
  tap.truthy(result.status <= 1, result.err)
  local failed, checks = failed_of(path)
  tap.equal(table.concat(failed, "\n"), "", "failed")
  tap.equal(result.status, 0)
  tap.truthy(#checks >= 300, #checks .. " checks")
  local seen, parts = {}, {}
  for _, check in ipairs(checks) do
    local name = check.part .. ": " .. check.name
    tap.truthy(not seen[name], "two checks of one name: " .. name)
    seen[name], parts[check.part] = true, true
  end
  for _, part in ipairs { "health", "models", "complete", "chat", "stream", "openai", "errors",
                          "browser", "sessions", "mcp", "leaving", "queue", "loading" } do
    tap.truthy(parts[part], part)
  end
end)

-- What the server does wrong: the part of the contract that sees it, words of a check that fails.
local FAULTS <const> = {
  no_done = { "stream", "DONE" },
  wrong_usage = { "complete", "max_tokens is honoured" },
  no_usage = { "complete", "usage adds up" },
  words_as_tokens = { "complete", "max_tokens is honoured" },
  no_timings = { "complete", "timings" },
  no_cors = { "browser", "preflight" },
  star_origin = { "browser", "the server does not say *" },
  reflect_origin = { "browser", "a page from elsewhere" },
  any_host = { "browser", "another Host" },
  any_content_type = { "errors", "not application/json" },
  no_preflight = { "browser", "preflight" },
  split_utf8 = { "stream", "UTF-8" },
  bad_json = { "stream", "every event is JSON" },
  no_finish = { "complete", "finish_reason" },
  wrong_object = { "complete", "object" },
  changing_id = { "stream", "one id" },
  no_role = { "stream", "names the role" },
  error_event = { "stream", "no error inside" },
  cut_stream = { "stream", "the connection ends" },
  mock_stream = { "stream", "text comes in pieces" },
  empty_choices = { "stream", "choices with an index" },
  wrong_content_type = { "stream", "text/event-stream" },
  html_errors = { "chat", "error object" },
  error_200 = { "chat", "status 400" },
  no_suggestion = { "chat", "error object" },
  no_retry_after = { "queue", "Retry-After" },
  ready_always_200 = { "loading", "readiness is 503" },
  unload_noop = { "loading", "unload" },
  load_always_ok = { "loading", "load of an unknown model" },
  ignore_max_tokens = { "complete", "max_tokens" },
  ignore_stop = { "complete", "stop" },
  ignore_seed = { "complete", "seed" },
  ignore_n = { "openai", "n: choices" },
  ignore_disconnect = { "leaving", "counted as cancelled" },
  accept_bad_json = { "errors", "no JSON" },
  accept_bad_values = { "errors", "status 400 that names it" },
  repeat_token = { "stream", "the same text" },
  drop_token = { "stream", "the same text" },
  no_sessions = { "sessions", "cached_tokens" },
  no_models = { "models", "a model is listed" },
  bad_metrics = { "health", "Prometheus" },
  no_key = { "browser", "no key" },
}

-- Under sanitizers some stand for the others.
local FEW <const> = { no_done = true, bad_json = true, unload_noop = true, no_cors = true,
                      ignore_disconnect = true }

local names = {}
for name in pairs(FAULTS) do
  if not cli.sanitized or FEW[name] then names[#names + 1] = name end
end
table.sort(names)

-- Servers mostly wait (for clients that leave, for places in the queue): some at a time.
local AT_ONCE <const> = cli.sanitized and 2 or 6

local function try_faults(first, last)
  local lines = {}
  for i = first, math.min(last, #names) do
    local words = { "contract.lua", "--model", cli.small_model, "--quiet", "--faults", names[i],
                    "--parts", FAULTS[names[i]][1], "--json", cli.path(names[i] .. ".json") }
    for j, word in ipairs(words) do words[j] = cli.quote(word) end
    lines[#lines + 1] = string.format("{ %s %s; echo $? >%s; } &", cli.quote(cli.program),
                                      table.concat(words, " "), cli.path(names[i] .. ".status"))
  end
  cli.shell(table.concat(lines, "\n") .. "\nwait")
end

for i, name in ipairs(names) do
  if i % AT_ONCE == 1 then try_faults(i, i + AT_ONCE - 1) end
  tap.test("a server with the fault " .. name .. " fails its check", function()
    local failed = failed_of(cli.path(name .. ".json"))
    tap.equal(cli.read(cli.path(name .. ".status")), "1\n")
    tap.contains(table.concat(failed, "\n"), FAULTS[name][2])
  end)
end

tap.test("every fault that is no number is tried here", function()
  local listed = cli.expect(0, { "serve.lua", "--help" }).out:match "Faults for(.*)"
  local n = 0
  for name in listed:gmatch "\n +([%l%d_]+): " do
    local takes_value = name:match "_ms$" or name:match "_at$" or name:match "_kb$"
      or name:match "_us$" or name:match "_every$"
    if not takes_value then
      tap.truthy(FAULTS[name], name)
      n = n + 1
    end
  end
  tap.truthy(n >= 30, n .. " faults listed")
end)

tap.test("the failed checks are printed with their reasons", function()
  local result = cli.run { "contract.lua", "--model", cli.small_model, "--quiet", "--faults", "no_role",
                           "--parts", "stream" }
  tap.equal(result.status, 1)
  tap.contains(result.out, "the first delta names the role: found nil, \"assistant\" is required")
  tap.truthy(result.out:match "%d+ of %d+ checks hold", "the count")
end)

-- ---- readiness ----

tap.test("ole_integration.lua prints the five criteria from real traffic", function()
  local path = cli.path "ole.json"
  local result = cli.run { "ole_integration.lua", "--model", cli.small_model, "--seconds", "1",
    "--generations", "8", "--runs", "1", "--n_prompt", "32", "--n_tokens", "16", "--store", "none",
    "--quiet", "--json", path }
  tap.truthy(result.status <= 2, result.err)
  for _, word in ipairs { "Ready for Ole?", "real_time_response", "sustained_performance",
                          "memory_efficiency", "stability", "api_compatibility",
                          "checks hold", "over HTTP from process" } do
    tap.contains(result.out, word)
  end
  local document, found = json.decode(cli.read(path)), {}
  for _, metric in ipairs(document.metrics) do found[metric.name] = metric end
  tap.truthy(found.memory_usage_mb.samples[1] > 1, "memory of the server's process")
  tap.truthy(found.tokens_per_second.n >= 1, "decode rates")
  tap.equal(found.error_rate.median, 0)
  tap.truthy(#document.tables.contract > 120, "the contract's checks are kept")
end)

tap.test("a server that errs is not ready", function()
  local result = cli.run { "ole_integration.lua", "--model", cli.small_model, "--seconds", "1",
    "--generations", "20", "--runs", "1", "--n_prompt", "16", "--n_tokens", "8", "--store", "none",
    "--quiet", "--server_faults", "fail_every=3" }
  tap.equal(result.status, 1, result.out .. result.err)
  tap.contains(result.out, "server_error")
end)

cli.clean_up()
tap.done()

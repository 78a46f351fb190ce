--- Contract: models are loaded and unloaded at run time, and readiness follows.
local loading = {}

local PATH <const> = "/api/v1/inference/complete"
local BODY <const> = { prompt = "Once upon a time", max_tokens = 6, temperature = 0 }

local function change(t, name, action)
  return t:post(string.format("/api/v1/models/%s/%s", name, action), {})
end

local function unloaded(t, before)
  local answer = change(t, t.model, "unload")
  t:equal("unload: status", answer.status, 200)
  t:equal("unload: success", answer.json.success, true)
  t:is_type("unload: message", answer.json.message, "string")
  t:equal("unload: the model says so", t:get("/api/v1/models/" .. t.model).json.loaded, false)
  local ready = t:get "/api/v1/health/ready"
  t:equal("without a model readiness is 503", ready.status, 503)
  t:check("... and says which check fails", type(ready.json.checks) == "table"
    and tostring(ready.body):find "fail", "found %s", tostring(ready.body))
  t:check("... with Retry-After", ready.headers["retry-after"], "there is none")
  t:equal("without a model health is still 200", t:get "/api/v1/health".status, 200)
  t:refusal("without a model a generation is a conflict", t:post(PATH, BODY), 409)
  t:refusal("without a model a stream is a conflict",
            t:post("/api/v1/inference/stream", BODY), 409)
  local resources = t.service:resources()
  if resources and before and t.model_bytes then
    t:check("unload gives the memory back", before.rss_mb - resources.rss_mb
      > t.model_bytes / 1e6 * 0.4, "%.1f MB before, %.1f after, the model has %.1f",
      before.rss_mb, resources.rss_mb, t.model_bytes / 1e6)
  end
  t:check("unload twice is no success", change(t, t.model, "unload").status ~= 500,
          "status 500")
end

function loading.run(t)
  local info = t:get("/api/v1/models/" .. t.model).json
  -- Below that the noise of a heap is larger than the model.
  t.model_bytes = (info.size_bytes or 0) > 32e6 and info.size_bytes or nil
  local _, _, text = t:generate(PATH, BODY)
  local before = t.service:resources()
  unloaded(t, before)
  local answer = change(t, t.model, "load")
  t:equal("load: status", answer.status, 200)
  t:equal("load: success", answer.json.success, true)
  t:equal("load: model_info says loaded", (answer.json.model_info or {}).loaded, true)
  t:equal("load: ready again", t:get "/api/v1/health/ready".status, 200)
  local _, _, again = t:generate(PATH, BODY)
  t:equal("load: the same text as before", again, text)
  t:refusal("load of an unknown model", change(t, "no-such-model", "load"), 404)
  t:refusal("unload of an unknown model", change(t, "no-such-model", "unload"), 404)
  local bad = t:post(string.format("/api/v1/models/%s/load", t.model), { config = { n_ctx = -1 } })
  t:check("load with a bad config is refused", bad.status == 400 or bad.status == 409,
          "status %d", bad.status)
end

return loading

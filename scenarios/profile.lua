local common = require "woolly.common"
local counters = require "woolly.counters"
local hardware = require "woolly.hardware"
local models = require "woolly.models"
local woolly = require "woolly"

--- What the engine itself says of a decode: share of the threads' time by operation; nil where the
--- preset keeps no account.
local function operations(context, model, n_tokens)
  if not context:set_profile(true) then return nil end
  common.decode_rate(context, model, n_tokens)
  local ns, all, list = {}, 0, {}
  for _, entry in ipairs(context:profile()) do
    ns[entry.operation] = (ns[entry.operation] or 0) + entry.ns
    all = all + entry.ns
  end
  for name, n in pairs(ns) do list[#list + 1] = { name = name, share = n / all } end
  table.sort(list, function(a, b) return a.share > b.share end)
  return list
end

--- The engine's own decode, for that many seconds of CPU time.
local function own_profile(p)
  if not p.model then woolly.fail("--pid N or --model FILE: what is to be sampled?") end
  local values = { model = models.resolve(p.model, p.quiet), preset = p.preset }
  values.switches = require("woolly.options").switches(p.switches)
  local model = woolly.model(values)
  local context <close> = woolly.context(model, values, { n_ctx = p.n_tokens + 1 })
  common.decode_rate(context, model, p.n_tokens) -- warm
  local sampler <close> = woolly.must(counters.sampler { hz = p.hz })
  local before = counters.read().cpu_ns
  woolly.must(sampler:start())
  repeat
    common.decode_rate(context, model, p.n_tokens)
  until counters.read().cpu_ns - before >= p.seconds * 1e9
  local profile = woolly.must(sampler:stop())
  profile.operations = operations(context, model, p.n_tokens)
  return profile
end

return woolly.tool {
  about = "Samples where the time goes, ours or a process: functions, share of SIMD by class",
  params = {
    pid = { type = "integer", help = "process to sample, with all threads it has now" },
    model = { type = "string", help = "or: the model that our own engine decodes" },
    preset = { default = "p4", help = "engine switches" },
    switches = { type = "string", help = "changes to the preset: backend=scalar,threads=2" },
    n_tokens = { default = 32, help = "tokens per decode" },
    seconds = { default = 2.0, help = "length" },
    hz = { default = 997, help = "samples a second and thread" },
    top = { default = 16, help = "functions to show" },
    json = common.json_param,
  },
  run = function(p)
    local profile = p.pid
      and woolly.must(counters.sample { pid = p.pid, seconds = p.seconds, hz = p.hz })
      or own_profile(p)
    local lines = {
      string.format("%d samples in %.2f s, %d threads, %d lost, %d in unknown code",
                    profile.n_samples, profile.seconds, profile.n_threads, profile.n_lost,
                    profile.n_unknown),
      profile.method,
      "share of instructions, by blocks: " .. hardware.describe(profile.instructions),
      "share of time: " .. hardware.describe(profile.time),
      "   time  packed  function",
    }
    for i = 1, math.min(p.top, #profile.functions) do
      local f = profile.functions[i]
      lines[#lines + 1] = string.format("%5.1f %%  %4.0f %%  %s  %s", 100 * f.share, 100 * f.packed,
                                        f.name ~= "" and f.name or "(no symbol)", f.object)
    end
    local parts = {}
    for i, one in ipairs(profile.operations or {}) do
      parts[i] = string.format("%s %.1f %%", one.name, 100 * one.share)
    end
    if #parts > 0 then lines[#lines + 1] = "by operation: " .. table.concat(parts, ", ") end
    common.print(p, profile, table.concat(lines, "\n"))
  end,
}

--- What a token costs in bytes and multiply-adds, and what a machine's roofs allow of it. Pure.
local work = {}

local LEVELS <const> = { "l1", "l2", "l3", "dram" }
local LEVEL_NAMES <const> = { l1 = "L1", l2 = "L2", l3 = "L3", dram = "DRAM" }
-- A level serves a scan over and over as long as it holds this share of it; a smaller one has
-- evicted each line before it is read again.
local SERVING_SHARE <const> = 0.25

-- woolly.Work, one unit of a throughput (a token), has its fields in meta/work.lua.

-- Seconds to read `bytes` of a working set of `footprint`: each level serves what it holds of it.
-- And which levels that takes: "L3 84.2 + DRAM 31.2", those with a tenth of the time and more.
local function reading_time(at, bytes, footprint)
  local left, held, seconds, parts = footprint, 0, 0.0, {}
  for _, level in ipairs(LEVELS) do
    local rate = at[level]
    local capacity = level == "dram" and math.huge or at.capacity[level] or 0
    if rate and left > 0 and capacity >= SERVING_SHARE * footprint then
      local part = math.min(left, capacity - held)
      local time = bytes * (part / footprint) / (rate * 1e9)
      seconds, left, held = seconds + time, left - part, held + part
      parts[#parts + 1] = { time, string.format("%s %.1f", LEVEL_NAMES[level], rate) }
    end
  end
  if left > 0 then return nil end
  local names = {}
  for _, part in ipairs(parts) do
    if part[1] >= seconds / 10 then names[#names + 1] = part[2] end
  end
  return seconds, table.concat(names, " + ")
end

--- The most units of work a second that the roofs allow, and what limits them.
---@param found woolly.Roofs
---@param unit woolly.Work
---@return number? per_second
---@return string text   "DRAM 31.2 GB/s, 2 threads"; why there is none
function work.limit(found, unit)
  local at = found.threads[tostring(unit.threads)]
  if not at then return nil, string.format("not measured for %d threads", unit.threads) end
  local reading, levels = reading_time(at, unit.bytes, unit.footprint or unit.bytes)
  if not reading then return nil, "the bandwidth of memory was not measured" end
  local arithmetic = unit.arithmetic or "f32"
  local computing = (unit.macs or 0) / (at[arithmetic] * 1e9)
  local threads = string.format("%d thread%s", unit.threads, unit.threads == 1 and "" or "s")
  if computing > reading then
    return 1 / computing, string.format("%s %.0f GMAC/s, %s", arithmetic, at[arithmetic], threads)
  elseif reading <= 0 then
    return nil, "no work"
  end
  return 1 / reading, string.format("%s GB/s, %s", levels, threads)
end

-- Types whose weights take a whole byte, by themselves or by a table of such values.
local WHOLE_BYTES <const> = { Q8_0 = true, IQ4_NL = true, IQ4_XS = true }

--- The roof of products of weights of this type as integers: "int8" for whole bytes, "int4" for fewer bits.
---@param type string
---@return "int8"|"int4"
function work.integers(type)
  return WHOLE_BYTES[type] and "int8" or "int4"
end

--- The integers' roof where weights are multiplied as such by these switches, else "f32".
---@param switches woolly.engine.Switches
---@param type string   the model's
---@return "f32"|"int8"|"int4"
function work.arithmetic(switches, type)
  if type == "F32" or type == "F16" or type == "BF16" then return "f32" end
  return switches.fused_matmul and work.integers(type) or "f32"
end

-- Bytes and multiply-adds of the layers' matrices and of the output matrix.
local function matrices(model)
  local layers, output, table_of_tokens = { bytes = 0, macs = 0 }, nil, nil
  for _, tensor in ipairs(model:tensors()) do
    local macs = 1
    for _, n in ipairs(tensor.shape) do macs = macs * n end
    if tensor.name == "token_embd.weight" then
      table_of_tokens = { bytes = tensor.bytes, macs = macs }
    elseif tensor.name == "output.weight" then
      output = { bytes = tensor.bytes, macs = macs }
    else
      layers.bytes = layers.bytes + tensor.bytes
      if #tensor.shape > 1 then layers.macs = layers.macs + macs end
    end
  end
  return layers, output or table_of_tokens or { bytes = 0, macs = 0 }
end

--- What one decoded token needs: the weights, and the KV cache up to the window's middle.
---@param model woolly.engine.Model
---@param context woolly.engine.Context
---@param window {n_prompt: integer, n_tokens: integer}
---@return woolly.Work
function work.decode(model, context, window)
  local info, switches = model:info(), context:switches()
  local layers, output = matrices(model)
  local kv = context:memory().kv_bytes / context:n_ctx() * (window.n_prompt + window.n_tokens / 2)
  return { bytes = info.bytes_per_token + kv, macs = layers.macs + output.macs,
           arithmetic = work.arithmetic(switches, info.type), threads = switches.threads }
end

--- What one token of a prompt needs: its products, and its part of one reading of the weights.
---@param model woolly.engine.Model
---@param context woolly.engine.Context
---@param n_prompt integer
---@return woolly.Work
function work.prefill(model, context, n_prompt)
  local switches = context:switches()
  local layers, output = matrices(model)
  local bytes = layers.bytes + output.bytes
  return { bytes = bytes / n_prompt, footprint = bytes, macs = layers.macs + output.macs / n_prompt,
           arithmetic = work.arithmetic(switches, model:info().type), threads = switches.threads }
end

return work

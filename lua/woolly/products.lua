--- A model's matrix products one by one: the engine's kernels and the generic loop, against the
--- roof of each shape. What scenarios/matrix_operations.lua measures.
local kernels = require "woolly.kernels"
local stats   = require "woolly.stats"
local woolly  = require "woolly"
local work    = require "woolly.work"

local products = {}

local MOST_FOOTPRINT <const> = 256000000 -- bytes that decode's weights are made to take, at most
-- Rounding activations to int8 costs 2e-5 to 5e-5.
local MOST_NMSE <const> = { float = 1e-9, rows = 5e-4, packed = 5e-4 }
local TABLE_ROWS <const>, TABLE_COLS <const> = 2048, 2048
local TABLE_FOOTPRINT <const> = 64000000

---@class woolly.Product
---@field name string      "ffn_up"
---@field type string
---@field rows integer
---@field cols integer
---@field count integer    how many such matrices a token passes
---@field in_prompt boolean   false: only the last token of a prompt needs it

--- The distinct matrices of a model, the output matrix last.
---@param model woolly.engine.Model
---@return woolly.Product[]
function products.of(model)
  local tensors, found, list, output = model:tensors(), {}, {}, nil
  for _, tensor in ipairs(tensors) do
    local name = tensor.name:match("%.([%w_]+)%.weight$") or tensor.name:match("^([%w_]+)%.weight$")
    if name and #tensor.shape == 2 then
      local product = { name = name, type = tensor.type, cols = tensor.shape[1],
                        rows = tensor.shape[2], count = 1, in_prompt = true }
      if name == "output" or name == "token_embd" then -- without an output matrix the table is it
        if name == "output" or not output then output = product end
      else
        local key = string.format("%s %d %d", product.type, product.rows, product.cols)
        local known = found[key]
        if known then
          known.count = known.count + 1
          if not (" " .. known.name .. " "):find(" " .. name .. " ", 1, true) then
            known.name = known.name .. " " .. name
          end
        else
          found[key] = product
          list[#list + 1] = product
        end
      end
    end
  end
  if output then
    output.name, output.in_prompt = "output", false
    list[#list + 1] = output
  end
  return list
end

--- The form in which these switches multiply a type.
---@param switches woolly.engine.Switches
---@param product woolly.Product
---@return "float"|"rows"|"packed"
function products.form(switches, product)
  local known = {}
  for _, form in ipairs(woolly.must(kernels.forms(product.type))) do known[form] = true end
  local wanted = switches.fused_matmul and (switches.repack and "packed" or "rows") or "float"
  return known[wanted] and product.cols % 32 == 0 and wanted or "float"
end

local function time(product, options, p)
  options.type, options.rows, options.cols = product.type, product.rows, product.cols
  options.samples = options.samples or p.n_samples
  options.min_ms = options.min_ms or p.min_ms
  return woolly.must(kernels.matmul(options))
end

-- Nanoseconds that the roofs allow for one product, or nil.
local function roof_ns(state, product, result, form, threads)
  if not state.limits then return nil end
  local most = work.limit(state.limits, {
    bytes = result.weight_bytes, footprint = result.footprint, macs = result.macs,
    arithmetic = form == "float" and "f32" or work.integers(product.type), threads = threads })
  return most and 1e9 / most
end

--- What kernels the switches mean: instruction set, and scalar where SIMD is off.
local function isa_of(switches)
  return switches.simd and switches.backend or "scalar"
end

--- Every product once against F64, before anything is timed.
---@param t woolly.Check
function products.check(t, state, p)
  for _, product in ipairs(products.of(state.model)) do
    local form = products.form(state.switches, product)
    for _, n_tokens in ipairs { 1, product.in_prompt and p.n_tokens or nil } do
      local found = time(product, { form = form, isa = isa_of(state.switches), n_tokens = n_tokens,
                                    threads = state.switches.threads, samples = 1, min_ms = 0.001 },
                         p)
      t:at_most(string.format("%s: %s %d x %d, %s, %d token%s: NMSE against F64", product.name,
                              product.type, product.rows, product.cols, form, n_tokens,
                              n_tokens == 1 and "" or "s"), found.nmse, MOST_NMSE[form])
    end
  end
end

local function percent(share)
  return share and string.format("%3.0f %%", 100 * share) or "  - "
end

-- A product that was timed as a row of the table "kernels".
local function keep(state, product, form, n_tokens, found, roof)
  local ns = stats.median(found.ns)
  state.kernels[#state.kernels + 1] = {
    name = product.name, type = product.type, form = form, rows = product.rows,
    cols = product.cols, tokens = n_tokens, gb_per_second = found.weight_bytes / ns,
    gop_per_second = 2 * found.macs / ns, roof_share = roof and roof / ns }
end

--- Sums over products, sample by sample.
local function add(sums, key, count, values)
  sums[key] = sums[key] or {}
  for i, value in ipairs(values) do sums[key][i] = (sums[key][i] or 0) + count * value end
end

local function fixed(n, value)
  local list = {}
  for i = 1, n do list[i] = value end
  return list
end

-- One product for one or many tokens into the sums under `name`; the text of its cell.
local function measure_one(state, p, sums, name, product, n_tokens, footprint)
  local switches, form = state.switches, products.form(state.switches, product)
  local isa = isa_of(switches)
  local found = time(product, { form = form, isa = isa, n_tokens = n_tokens,
                                threads = switches.threads, footprint = footprint }, p)
  -- The loop of p0, which takes a prompt token by token.
  local generic = time(product, { form = "float", isa = "scalar", footprint = footprint }, p)
  local roof, n = roof_ns(state, product, found, form, switches.threads), p.n_samples
  add(sums, name .. "_ns", product.count, found.ns)
  add(sums, name .. "_bytes", product.count, fixed(n, found.weight_bytes))
  add(sums, name .. "_macs", product.count, fixed(n, found.macs))
  add(sums, name .. "_generic_ns", product.count * n_tokens, generic.ns)
  if roof then add(sums, name .. "_roof_ns", product.count, fixed(n, roof)) end
  keep(state, product, form, n_tokens, found, roof)
  local ns, generic_ns = stats.median(found.ns), stats.median(generic.ns) * n_tokens
  return string.format("%7.1f GB/s %7.0f GOP/s %s x %5.1f", found.weight_bytes / ns,
                       2 * found.macs / ns, percent(roof and roof / ns), generic_ns / ns), form
end

local function ratios(sums, over, under, factor)
  local list = {}
  for i, value in ipairs(sums[under] or {}) do
    list[i] = (factor or 1) * (sums[over] or {})[i] / value
  end
  return list
end

--- Records the metrics of matrix_operations; lines of the table go into state.rows.
---@param m woolly.Recorder
function products.measure(m, state, p)
  local sums, rows = {}, state.rows
  local footprint = math.min(state.model:info().bytes_per_token, MOST_FOOTPRINT)
  rows[#rows + 1] = string.format("the model's matrices; x is against the generic loop; %d tokens, "
                                  .. "then one (from %.0f MB of weights)", p.n_tokens,
                                  footprint / 1e6)
  for _, product in ipairs(products.of(state.model)) do
    local gemv, form = measure_one(state, p, sums, "gemv", product, 1, footprint)
    local gemm = product.in_prompt
      and measure_one(state, p, sums, "gemm", product, p.n_tokens, 0)
      or string.rep(" ", 42)
    rows[#rows + 1] = string.format("%-6s %-6s %6d x %-5d x %-3d %s | %s  %s", product.type, form,
                                    product.rows, product.cols, product.count, gemm, gemv,
                                    product.name)
  end
  m:record_samples("gemm_gop_per_second", ratios(sums, "gemm_macs", "gemm_ns", 2))
  m:record_samples("gemm_speedup", ratios(sums, "gemm_generic_ns", "gemm_ns"))
  m:record_samples("gemv_gb_per_second", ratios(sums, "gemv_bytes", "gemv_ns"))
  m:record_samples("gemv_speedup", ratios(sums, "gemv_generic_ns", "gemv_ns"))
  for metric, names in pairs { gemm_efficiency = { "gemm_roof_ns", "gemm_ns" },
                               gemm_generic_efficiency = { "gemm_roof_ns", "gemm_generic_ns" },
                               gemv_efficiency = { "gemv_roof_ns", "gemv_ns" } } do
    if sums[names[1]] then
      m:record_samples(metric, ratios(sums, names[1], names[2]))
    else
      m:missing(metric, state.why_not or "the roof was not measured for this number of threads")
    end
  end
end

--- Lines about every type and form on one shape.
function products.all_types(state, p)
  local engine, rows, switches = require "woolly.engine", state.rows, state.switches
  rows[#rows + 1] = string.format("every type, %d x %d: %d tokens, then one (from %.0f MB)",
                                  TABLE_ROWS, TABLE_COLS, p.n_tokens, TABLE_FOOTPRINT / 1e6)
  for _, type in ipairs(engine.types()) do
    for _, form in ipairs(woolly.must(kernels.forms(type))) do
      local cells = {}
      for i, n_tokens in ipairs { p.n_tokens, 1 } do
        local product = { type = type, rows = TABLE_ROWS, cols = TABLE_COLS }
        local found = time(product, {
          form = form, isa = isa_of(switches), n_tokens = n_tokens, threads = switches.threads,
          footprint = n_tokens == 1 and TABLE_FOOTPRINT or 0, samples = 3,
          min_ms = math.min(p.min_ms, 2) }, p)
        local ns, roof = stats.median(found.ns), roof_ns(state, product, found, form, switches.threads)
        keep(state, product, form, n_tokens, found, roof)
        cells[i] = string.format("%7.1f GB/s %7.0f GOP/s %s", found.weight_bytes / ns,
                                 2 * found.macs / ns, percent(roof and roof / ns))
      end
      rows[#rows + 1] = string.format("%-6s %-6s %s | %s", type, form, cells[1], cells[2])
    end
  end
end

return products

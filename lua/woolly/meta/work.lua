---@meta woolly.work
error("for editors only")

--- How much work a token needs, and how often a second the roofs allow it.
---@class woolly.work
local work = {}

--- One unit of a throughput: a token.
---@class woolly.Work
---@field bytes number         that must be read
---@field footprint? number    bytes that repeat from unit to unit, default bytes: decides the level
---@field macs? number         multiply-adds
---@field arithmetic? "f32"|"int8"|"int4"   default "f32"
---@field threads integer

--- The most units of work a second that the roofs allow, and what limits them.
---@param found woolly.Roofs
---@param unit woolly.Work
---@return number? per_second, string by   "DRAM 31.2 GB/s, 2 threads"; why there is none
function work.limit(found, unit) end

--- The roof of products of weights of this type as integers: "int8" for whole bytes (Q8_0, IQ4_NL, IQ4_XS), "int4"
--- for fewer bits, whose products add in 16 bits where the processor has no dot product.
---@param type string
---@return "int8"|"int4"
function work.integers(type) end

--- The integers' roof where weights are multiplied as such by these switches, else "f32".
---@param switches woolly.engine.Switches
---@param type string   the model's
---@return "f32"|"int8"|"int4"
function work.arithmetic(switches, type) end

--- What one decoded token needs: the weights, and the KV cache up to the window's middle.
---@param model woolly.engine.Model
---@param context woolly.engine.Context
---@param window {n_prompt: integer, n_tokens: integer}
---@return woolly.Work
function work.decode(model, context, window) end

--- What one token of a prompt needs: its products, and its part of one reading of the weights.
---@param model woolly.engine.Model
---@param context woolly.engine.Context
---@param n_prompt integer
---@return woolly.Work
function work.prefill(model, context, n_prompt) end

return work

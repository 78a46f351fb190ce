---@meta woolly.kernels
error("for editors only")

--- Single kernels of the engine on random data. Each is checked before it is timed; working sets can
--- be made larger than a cache.
---@class woolly.kernels
local kernels = {}

--- Forms that weights of a type can be multiplied in: "float" (rows decoded to F32, what is done
--- without fusing), "rows" (as the file has them, int8 activations), "packed" (interleaved, int8).
---@param type string   "Q4_0"
---@return string[]? names, string? message, string? code
function kernels.forms(type) end

---@class woolly.kernels.Matmul
---@field type string
---@field form? "float"|"rows"|"packed"   default "packed"
---@field isa? string          default "best"
---@field rows integer
---@field cols integer         a multiple of the type's block, and of 32 unless float
---@field n_tokens? integer    default 1
---@field footprint? integer   as many copies of the weights take turns as have this many bytes;
---                            default 0: one copy
---@field threads? integer     default 1
---@field samples? integer     default 9
---@field min_ms? number       length of a sample, default 5

---@class woolly.kernels.MatmulResult
---@field ns number[]          per product, one per sample; F32 in, F32 out
---@field weight_bytes integer of one copy in its form
---@field footprint integer    of all copies
---@field macs integer         multiply-adds of a product
---@field nmse number          against F64 on decoded weights, some rows and tokens
---@field isa string

--- Times a weight matrix times activations.
---@param options woolly.kernels.Matmul
---@return woolly.kernels.MatmulResult? result, string? message, string? code
function kernels.matmul(options) end

---@class woolly.kernels.Attention
---@field isa? string          default "best"
---@field key_type? string     of the fused way, default "f32"; likewise value_type
---@field value_type? string
---@field n_head integer
---@field n_head_kv integer
---@field head_dim integer
---@field n_past? integer      tokens in front of the queries', default 0
---@field n_tokens? integer    1: decode; more: a block of a prompt. Default 1
---@field footprint? integer   as many caches take turns as have this many bytes of F32; default: one
---@field threads? integer     default 1
---@field samples? integer     default 9
---@field min_ms? number       length of a sample, default 5

---@class woolly.kernels.AttentionResult
---@field naive_ns number[]    per call of one layer, one per sample; samples alternate
---@field fused_ns number[]
---@field naive_bytes integer  of keys and values
---@field fused_bytes integer
---@field nmse number          fused against naive
---@field isa string

--- Times one layer's attention: all scores of a query at once, and fused with online softmax.
---@param options woolly.kernels.Attention
---@return woolly.kernels.AttentionResult? result, string? message, string? code
function kernels.attention(options) end

return kernels

---@meta woolly.engine
error("for editors only")

--- The embedded inference engine. Failures of the world return `nil, message, code`; a wrong
--- argument raises. Token ids are integers from 0; arrays of ids are plain Lua arrays.
---@class woolly.engine
local engine = {}

---@class woolly.engine.LoadOptions
---@field mmap? boolean   map the file (default true) or read it into memory

--- Loads a GGUF file; every size in it is checked before it is used.
---@param path string   a GGUF file
---@param options? woolly.engine.LoadOptions
---@return woolly.engine.Model? model, string? message, string? code
function engine.load(path, options) end

---@class woolly.engine.SynthOptions
---@field folder? string      where the file goes; default: the user's cache folder
---@field on_progress? fun(done_bytes: integer, total_bytes: integer)

--- Makes (once) the synthetic model SHAPE-TYPE, "110m-q4_0", and returns its path.
---@param spec string
---@param options? woolly.engine.SynthOptions
---@return string? path, string? message, string? code
function engine.synth(spec, options) end

--- "tiny, 110m, ...; types f16, q8_0, q4_0, q4_k"
---@return string
function engine.synth_help() end

---@class woolly.engine.Switches
---@field simd? boolean
---@field weight_cache? boolean
---@field pool? boolean
---@field backend? string           level of all kernels where simd is on: "auto" (the best here),
---                                 "scalar", "sse4", "avx2", "avxvnni", "avx512", "avx512vnni",
---                                 "neon", "dotprod", "i8mm"; engine.isas() has those of this machine
---@field weight_cache_mb? number   budget, 10^6 bytes
---@field fused_matmul? boolean     quantised weights times quantised activations
---@field fused_attention? boolean  online softmax
---@field key_type? string          of the KV cache: "f32", "f16", "q8_0", "q4_0"
---@field value_type? string
---@field kv_type? string           both of them (contexts only)
---@field repack? boolean           interleaved weights, made once per model
---@field huge_pages? boolean       2 MB pages for them
---@field threads? integer
---@field tune? boolean             threads by what measures fastest for this model
---@field lookup? integer           greedy decode: tokens guessed from the text so far and checked in one pass
---@field beyond_trained? boolean   (contexts only) n_ctx may be longer than the model was trained for
---@field faults? string            planted (contexts only): "sleep=attention:200,allocate=3,leak=4096,skip=0.25,corrupt=0.5,drift=0.1,throttle=0.3"

--- The switches of a preset, every field set, backend as its resolved name.
---@param name string   "p0" .. "p5"
---@return woolly.engine.Switches? switches, string? message, string? code
function engine.preset(name) end

--- Names of the presets.
---@return string[] names   in order
function engine.presets() end

--- Instruction sets this build has and this machine runs, lowest first.
---@return string[] names
function engine.isas() end

--- The instruction set that "best" stands for on this machine.
---@return string name
function engine.best_isa() end

--- F32 lanes of an instruction set: 1, 4, 8, 16.
---@param isa string
---@return integer
function engine.lanes(isa) end

--- Tensor types by GGUF name, in the order of their ids.
---@return string[]
function engine.types() end

---@class woolly.engine.BuildInfo
---@field version string
---@field commit string      "" when unknown
---@field compiler string
---@field flags string
---@field build_type string
---@field sanitizers string  "" or "address,undefined"

--- Version, commit, compiler and flags of this program.
---@return woolly.engine.BuildInfo
function engine.build_info() end

--- Decodes raw blocks to little-endian float32 bytes.
---@param type string   "Q4_K"
---@param data string   whole blocks
---@param isa? string   default "best"
---@return string? f32, string? message, string? code
function engine.dequantize(type, data, isa) end

---@class woolly.engine.BenchDequantize
---@field type string
---@field isa? string        default "best"
---@field n_values? integer  values per call, default 65536
---@field min_ms? number     length of one sample, default 5
---@field samples? integer   default 9

---@class woolly.engine.BenchResult
---@field ns_per_value number[]     one per sample
---@field gb_per_second number[]    F32 bytes written per second, 10^9
---@field isa string
---@field lanes integer

--- Times one type's dequantisation kernel on a working set that stays in the cache.
---@param options woolly.engine.BenchDequantize
---@return woolly.engine.BenchResult? result, string? message, string? code
function engine.bench_dequantize(options) end

--- The decode loop around an engine that does nothing.
---@param options {n_tokens: integer}
---@return woolly.engine.DecodeResult
function engine.null_decode(options) end

---@class woolly.engine.DecodeTogetherResult
---@field tokens integer[][]   of each sequence
---@field times_ns integer[]   end of each round, in which every sequence got a token
---@field start_ns integer
---@field finish_reason string

--- Generates n_tokens for several sequences at a time, one pass over the weights for all of them. The
--- contexts are on one model, alike in switches and n_ctx, and each has run a prompt.
---@param contexts woolly.engine.Context[]
---@param options woolly.engine.DecodeOptions   stop_at_end is not looked at
---@return woolly.engine.DecodeTogetherResult? result, string? message, string? code
function engine.decode_together(contexts, options) end

---@class woolly.engine.Model
local Model = {}

---@class woolly.engine.ModelInfo
---@field path string
---@field name string
---@field arch string
---@field type string              the type most weight bytes have
---@field file_bytes integer
---@field weight_bytes integer
---@field bytes_per_token integer  weight bytes one decoded token reads
---@field n_params integer
---@field n_layer integer
---@field n_embd integer
---@field n_head integer
---@field n_head_kv integer
---@field head_dim integer
---@field n_ff integer
---@field n_vocab integer
---@field n_ctx_train integer
---@field tied_embeddings boolean
---@field rope_scaling string
---@field rope_freq_base number
---@field rms_eps number
---@field tokenizer string         "spm" or "bpe"
---@field pre string               pre-tokenizer name
---@field bos integer?
---@field eos integer?
---@field adds_bos boolean
---@field gguf_version integer
---@field mapped boolean

--- Architecture, shape, sizes and vocabulary of the model.
---@return woolly.engine.ModelInfo
function Model:info() end

--- Metadata in file order; strings cut to 200 characters, arrays have type "array" and a
--- value such as "string[32000]".
---@return {key: string, type: string, value: string|number|boolean}[]
function Model:metadata() end

--- Every tensor in file order.
---@return {name: string, type: string, shape: integer[], bytes: integer, offset: integer}[]
function Model:tensors() end

---@class woolly.engine.TokenizeOptions
---@field bos? boolean       BOS in front where the vocabulary adds one (default true)
---@field special? boolean   parse special tokens in the text (default false)

--- Token ids of a text.
---@param text string
---@param options? woolly.engine.TokenizeOptions
---@return integer[]? ids, string? message, string? code
function Model:tokenize(text, options) end

--- Valid UTF-8, whatever the ids.
---@param ids integer[]
---@return string? text, string? message, string? code
function Model:detokenize(ids) end

---@class woolly.engine.ContextOptions: woolly.engine.Switches
---@field preset? string     default "p1"; the other switches change it
---@field n_ctx? integer     default min(trained, 4096)
---@field keep_packed? boolean   repacked weights in a file beside the model, read the next time
---@field on_progress? fun(done_bytes: integer, total_bytes: integer)   while weights are repacked
---@field n_batch? integer   prompt tokens per block, default 512 with fused_matmul, else 64

--- A KV cache with its own switches and counters; close it before the model.
---@param options? woolly.engine.ContextOptions
---@return woolly.engine.Context? context, string? message, string? code
function Model:context(options) end

--- Scans every weight for NaN and infinity.
---@return true? ok, string? message, string? code
function Model:check() end

--- True while the file on disk is the one that was loaded.
---@return boolean
function Model:unchanged() end

--- Hex digest of the file; kept in the cache folder by path, size and time.
---@return string? sha256, string? message, string? code
function Model:sha256() end

--- Frees the weights; raises while contexts are open (their `<close>` runs first). Also `<close>`.
function Model:close() end

---@class woolly.engine.Context
local Context = {}

---@class woolly.engine.PrefillResult
---@field n_tokens integer
---@field start_ns integer
---@field end_ns integer

--- Runs the prompt. options.logits_file: writes every position's logits there, raw little-endian
--- float32 rows [n_tokens, n_vocab].
---@param ids integer[]
---@param options? {logits_file?: string}
---@return woolly.engine.PrefillResult? result, string? message, string? code
function Context:prefill(ids, options) end

---@class woolly.engine.DecodeOptions
---@field n_tokens integer
---@field stop_at_end? boolean         default false: EOS is ignored
---@field temperature? number          default 0: greedy
---@field top_k? integer
---@field top_p? number
---@field min_p? number
---@field repetition_penalty? number
---@field seed? integer

---@class woolly.engine.DecodeResult
---@field tokens integer[]
---@field times_ns integer[]   arrival of each token, monotonic
---@field start_ns integer
---@field finish_reason string "length", "eos", "context", "cancelled"

--- Generates n_tokens from the logits at hand, noting each one's arrival.
---@param options woolly.engine.DecodeOptions
---@return woolly.engine.DecodeResult? result, string? message, string? code
function Context:decode(options) end

---@class woolly.engine.Difference
---@field n_rows integer
---@field max_abs number
---@field rms number
---@field nmse number
---@field max_relative number
---@field kld_mean number
---@field kld_p99 number
---@field top1 number
---@field finite boolean

--- Runs ids from an empty cache on this context and on reference, and compares every position's
--- logits. Both are cleared before and after.
---@param reference woolly.engine.Context
---@param ids integer[]
---@return woolly.engine.Difference? difference, string? message, string? code
function Context:compare(reference, ids) end

--- Runs ids from an empty cache and compares with a file of raw float32 rows [n, n_vocab].
---@param path string
---@param ids integer[]
---@return woolly.engine.Difference? difference, string? message, string? code
function Context:compare_file(path, ids) end

---@class woolly.engine.Perplexity
---@field perplexity number
---@field nll_mean number
---@field n_scored integer
---@field n_chunks integer

--- llama-perplexity's figure: chunks of n_ctx ids, the second half of each scored.
---@param ids integer[]   with BOS
---@param options {n_ctx: integer, on_progress?: fun(done: integer, total: integer)}
---@return woolly.engine.Perplexity? result, string? message, string? code
function Context:perplexity(ids, options) end

--- Every field of struct context_counters (engine.h), by its name.
---@return table<string, integer>
function Context:counters() end

--- Notes from now on where the time of passes goes, or no longer; forgets what was noted.
---@param on boolean
---@return true? ok, string? message, string? code   nil without the switch fused_matmul
function Context:set_profile(on) end

---@class woolly.engine.ProfileEntry
---@field operation string   "prepare", "qkv", "attention", "attn_output", "gate_up", "down", "output", "wait"
---@field thread integer     from 0
---@field ns integer
---@field calls integer
---@field bytes integer      of weights and of the KV cache read

--- Where the time of passes went since set_profile(true), by thread, then in the order of a layer; "wait" is
--- at the barriers between operations.
---@return woolly.engine.ProfileEntry[]
function Context:profile() end

--- Sets the counters to 0.
function Context:reset_counters() end

--- Bytes of the KV cache, its used part, the scratch memory and the weight cache.
---@return {kv_bytes: integer, kv_used_bytes: integer, scratch_bytes: integer, cache_bytes: integer, packed_bytes: integer}
function Context:memory() end

--- Every switch of this context, backend by name.
---@return woolly.engine.Switches
function Context:switches() end

--- Tokens in the KV cache.
---@return integer
function Context:n_past() end

--- Tokens that the KV cache has room for.
---@return integer
function Context:n_ctx() end

--- Forgets the tokens; caches and counters stay.
function Context:clear() end

--- Also `<close>`.
function Context:close() end

return engine

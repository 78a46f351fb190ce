---@meta woolly
error("for editors only")

--- The words a scenario file uses: `local woolly = require "woolly"`, and it returns one of these.
--- Declaring opens no file and times nothing; the runner does the rest.
---@class woolly
local woolly = {}

---@class woolly.Param
---@field default? string|number|boolean   its type is the option's type; none: a text option
---@field type? "string"|"number"|"integer"|"boolean"|"list"   list: "1,2,4" becomes a Lua array
---@field help string
---@field required? boolean
---@field choices? string[]

--- Parameter values by name (the params of the scenario), and what every scenario has: model,
--- preset, switches (a table for model:context), threads (integers), seed, target, url, duration, n_runs,
--- warmup, gate.
---@alias woolly.Values table<string, any>

---@class woolly.Scenario
---@field about string                 one line, shown by --list
---@field help? string                 more lines, shown by --help
---@field title? string                heading of the result block; default: about
---@field gate? string                 gate judged by default: a name in gates/ or a path
---@field needs? "native"              white box: refused for other targets
---@field helpers? boolean              processes that it starts work too: not counted as a disturbance
---@field model? string                default of --model, "synth:110m-q4_0" when nil; false: no model
---@field preset? string               default of --preset, "p1"
---@field target? string               default of --target, "native"
---@field warmup? integer              measure calls that are thrown away, default 1
---@field runs? integer                measure calls, default 5
---@field params? table<string, woolly.Param>
---@field metrics? string[]            what it records, shown by --help and reported missing when absent
---@field rounds? table<string, integer>  of metrics that compare by turns: rounds in one measure call
---@field setup? fun(p: woolly.Values): any    what it returns is passed on and closed at the end
---@field check? fun(t: woolly.Check, state: any, p: woolly.Values)   before any timing
---@field measure fun(m: woolly.Recorder, state: any, p: woolly.Values)
---@field finish? fun(m: woolly.Recorder, state: any, p: woolly.Values)  once, after the last run
---@field notes? fun(state: any, p: woolly.Values): string[]             lines under the result block
---@field tables? fun(state: any, p: woolly.Values): table<string, table[]>   kept in the report: rows by table

--- Declares a scenario.
---@param scenario woolly.Scenario
---@return woolly.Scenario
function woolly.scenario(scenario) end

---@class woolly.Phase
---@field about string
---@field title? string
---@field gate string
---@field tests string[]           scenario names, run in this order on one target
---@field model? string
---@field preset? string
---@field params? table<string, woolly.Param>   given to every test that has a param of that name
---@field missing? table<string, string>        metrics of the gate that no test measures, and why

--- Declares a phase: all tests' samples together are judged by one gate.
---@param phase woolly.Phase
---@return woolly.Phase
function woolly.phase(phase) end

---@class woolly.Tool
---@field about string
---@field help? string
---@field params? table<string, woolly.Param>
---@field arguments? string        placeholder of positional words, "[list|show ID]"; they come in p.arguments
---@field model? boolean           true: has --model and gives its resolved path in p.model
---@field run fun(p: woolly.Values): integer?   exit status, default 0; woolly.fail for errors

--- Declares a tool: no samples, no gate, --json FILE|- belongs to it when it declares the param.
---@param tool woolly.Tool
---@return woolly.Tool
function woolly.tool(tool) end

--- "scenario", "phase" or "tool" for what one of the three above returned.
---@param definition any
---@return string? kind
function woolly.kind(definition) end

--- Ends the script with a message and the exit status of a code.
---@param message string
---@param code? string   default "input"
function woolly.fail(message, code) end

--- `woolly.must(f())` passes results on, or ends the script with f's `nil, message, code`.
---@generic T
---@param value T?
---@param message? string
---@param code? string
---@return T
function woolly.must(value, message, code) end

--- Opens the target that --target names on --model: info(), generate(), close(); see targets/.
---@param p woolly.Values
---@return woolly.Target
function woolly.target(p) end

--- Loads the model of p.model (a path by now) for white-box scenarios.
---@param p woolly.Values
---@param options? woolly.engine.LoadOptions
---@return woolly.engine.Model
function woolly.model(p, options) end

--- A context with p's preset and switches; options override them.
---@param model woolly.engine.Model
---@param p woolly.Values
---@param options? woolly.engine.ContextOptions
---@return woolly.engine.Context
function woolly.context(model, p, options) end

---@class woolly.Target
local Target = {}

--- What is measured.
---@return {name: string, model: table?, white_box: boolean}
function Target:info() end

--- Generates from a text or from token ids.
---@param request {prompt?: string, tokens?: integer[], max_tokens: integer, seed?: integer}
---@return woolly.Generation? result, string? message, string? code
function Target:generate(request) end

--- Also `<close>`.
function Target:close() end

---@class woolly.Generation
---@field prompt_tokens integer
---@field tokens? integer[]        ids where known
---@field start_ns integer         call entered
---@field prefill_ns? integer      length of the prompt's work; nil for black boxes
---@field times_ns integer[]       arrival of each token
---@field finish_reason string

--- What measure writes its samples to. Warm-up calls are thrown away. A recorder that gets nil,
--- message, code from a failed call ends the run with that message.
---@class woolly.Recorder
---@field warmup boolean
---@field index integer    1 .. runs (0 while warming up)
local Recorder = {}

--- One value of a metric of metrics.lua; refuses unknown metrics, nil, NaN and infinities.
---@param metric string
---@param value number
function Recorder:record(metric, value) end

--- Several values of a metric, in the order they were measured.
---@param metric string
---@param values number[]
function Recorder:record_samples(metric, values) end

--- prefill_tokens_per_second from Context:prefill.
---@param result woolly.engine.PrefillResult?
---@param message? string   of a failed call
---@param code? string
function Recorder:prefill(result, message, code) end

--- tokens_per_second and single_token_latency_ms (one sample a gap) from Context:decode.
---@param result woolly.engine.DecodeResult?
---@param message? string   of a failed call
---@param code? string
---@return number tokens_per_second
function Recorder:decode(result, message, code) end

--- The same and ttft_ms, prefill_tokens_per_second from Target:generate.
---@param result woolly.Generation?
---@param message? string   of a failed call
---@param code? string
---@return number tokens_per_second
function Recorder:generate(result, message, code) end

--- The physical limit of a metric on this machine; the report shows which share of it was reached,
--- and limits beyond it fail as unreachable. Without a value: why there is none.
---@param metric string
---@param value? number    in the metric's unit
---@param by? string       what sets it: "DRAM 31.2 GB/s, 2 threads"; or the reason
---@param attach_again? fun(found: woolly.Roofs)   does the same with roofs that were measured again
function Recorder:roof(metric, value, by, attach_again) end

--- Says why a metric has no samples ("no hardware counters on this machine ...").
---@param metric string
---@param reason string
function Recorder:missing(metric, reason) end

---@class woolly.Check
local Check = {}

--- A line of the report; the first check that does not hold ends the run before anything is timed.
---@param what string    what the line says
---@param value number
---@param limit number
function Check:at_most(what, value, limit) end

--- The same the other way round.
---@param what string
---@param value number
---@param limit number
function Check:at_least(what, value, limit) end

--- Holds when both are equal.
---@param what string
---@param value any
---@param expected any
function Check:equal(what, value, expected) end

--- Holds unless the value is nil or false.
---@param what string
---@param value any
function Check:truthy(what, value) end

return woolly

---@meta woolly.http
error("for editors only")

--- HTTP as a client, in C: one request, and loads of many. The server is not trusted: redirects are
--- not followed, proxies of the environment not used, content not decoded, nothing is tried twice,
--- and every wait and size has a limit.
---@class woolly.http
local http = {}

--- How a request ended: "ok", "connect", "tls", "connect_timeout", "first_timeout", "gap_timeout",
--- "total_timeout", "reset", "truncated", "bad_http", "too_large", "encoded", "redirect",
--- "rate_limit" (429), "unavailable" (503), "client_error", "server_error", "not_stream",
--- "bad_event", "error_event", "no_finish", "no_done", "after_done", "empty", "count" (a token count
--- that cannot be true), "cancelled", "memory".
---@alias woolly.http.Ending string

---@class woolly.http.Limits
---@field connect_s? number      default 5
---@field first_s? number        until the answer's head is complete, default 60
---@field gap_s? number          between two bytes of a body, two events of a stream; default 30
---@field total_s? number        default 600
---@field max_event? integer     bytes of one event, default 1 MiB
---@field max_headers? integer   bytes of the head, default 64 KiB
---@field max_body? integer      bytes of an answer that is no stream, default 8 MiB
---@field done_optional? boolean a stream may end without [DONE] once it has a finish reason
---@field ca_file? string        certificates to trust instead of the system's

---@class woolly.http.RequestOptions: woolly.http.Limits
---@field stream? boolean          an event stream is wanted
---@field unjudged? boolean        of a stream only what the network does wrong is a failure
---@field hang_up_events? integer  leave after so many events
---@field max_tokens? integer      what the body asks for: more is the failure "count"

---@class woolly.http.Answer
---@field ok boolean
---@field failure? woolly.http.Ending   unless ok
---@field message? string
---@field status integer                0: there was none
---@field headers table<string, string> names in small letters
---@field body? string                  of what is no stream
---@field events? {ns: integer, data: string}[]   of a stream
---@field done? boolean                 [DONE] came
---@field comments? integer
---@field pieces? integer               events with text in them
---@field times_ns? integer[]           their arrivals
---@field text? string                  of choice 0
---@field finish_reason string
---@field prompt_tokens? integer        as usage says
---@field completion_tokens? integer
---@field start_ns integer              when it was sent, CLOCK_MONOTONIC_RAW; all others since then
---@field header_ns? integer
---@field end_ns? integer

--- One request on a connection of its own. What the server or the network does wrong is in the
--- answer; nil means that it could not be tried, or was interrupted.
---@param method string
---@param url string             http or https
---@param headers? string[]      "Name: value"
---@param body? string
---@param options? woolly.http.RequestOptions
---@return woolly.http.Answer? answer, string? message, string? code
function http.request(method, url, headers, body, options) end

---@class woolly.http.LoadOptions: woolly.http.Limits
---@field shape? "closed"|"constant"|"poisson"|"trace"   default "closed": users that wait
---@field users? integer          closed loop, default 1
---@field rate? number            open loop: requests/s, default 1
---@field rate_end? number        rate that the ramp leads to
---@field ramp_s? number          closed: until the last user has begun (they begin 0.2 ms apart at least); open: from rate to rate_end
---@field duration_s? number      no request begins later
---@field requests? integer       at most so many; this or duration_s is required
---@field drain_s? number         then the last ones are given up ("cancelled"), default 600
---@field max_in_flight? integer  open loop: what is due beyond is dropped and counted, default 1024
---@field max_tokens? integer     what every body asks for
---@field seed? integer           of Poisson arrivals
---@field keep_text? boolean
---@field stop_saturated? boolean stop when requests under way and TTFT both grow with time

--- Streams generations, each request with the next of the bodies, in one thread without a script in
--- the loop. Returns when all have ended.
---@param url string
---@param headers? string[]
---@param bodies string[]
---@param options woolly.http.LoadOptions
---@param trace? {at_s: number[], body?: integer[]}   for shape "trace"
---@return woolly.http.Load? load, string? message, string? code
function http.load(url, headers, bodies, options, trace) end

--- The data of each event of a stream's bytes, given to the parser in pieces of that many bytes.
---@param bytes string
---@param piece? integer   default: whole
---@return string[]? events, string? message, string? code
function http.events(bytes, piece) end

---@class woolly.http.Load
local Load = {}

---@class woolly.http.Summary
---@field issued integer     due: sent or dropped
---@field sent integer
---@field completed integer  ended as "ok"
---@field dropped integer
---@field failures table<woolly.http.Ending, integer>
---@field examples table<woolly.http.Ending, string>   the first message of each
---@field tokens integer     of the completed ones, by usage where it is given
---@field prompt_tokens integer
---@field pieces integer
---@field start_ns integer
---@field began_s number     from the start to the last sending
---@field seconds number     to the last end
---@field cpu_s number       of the thread that drove it
---@field saturated boolean  stopped by the rule of stop_saturated
---@field gave_up boolean    stopped because nothing succeeded

--- What was sent, how it ended, what came back.
---@return woolly.http.Summary
function Load:summary() end

--- Of the completed requests that were due from_s..to_s after the start ("lag_ms": of all sent).
--- METRICS: ttft, ttft_plan (from when it was due), ttst, tpot, itl (gaps where each piece is one
--- token), icl (all gaps), max_gap, e2e, e2e_plan, lag, decode_rate (1/s), queue and prefill (as the
--- server says).
---@param name "ttft_ms"|"ttft_plan_ms"|"ttst_ms"|"tpot_ms"|"itl_ms"|"icl_ms"|"max_gap_ms"|"e2e_ms"|"e2e_plan_ms"|"lag_ms"|"decode_rate"|"queue_ms"|"prefill_ms"
---@param from_s? number
---@param to_s? number
---@return number[]? values, string? message, string? code
function Load:values(name, from_s, to_s) end

--- Pieces of completed requests that came from_s..to_s after the start.
---@param from_s number
---@param to_s number
---@return integer
function Load:pieces_between(from_s, to_s) end

--- The ith request in the order of their ends, times in ns since the start; nil behind the last.
---@param i integer
---@return {ended: woolly.http.Ending, status: integer, body: integer, plan_ns: integer, send_ns: integer, header_ns?: integer, first_ns?: integer, answer_ns?: integer, last_ns?: integer, end_ns: integer, pieces: integer, completion_tokens?: integer, prompt_tokens?: integer, cached_tokens?: integer, finish_reason: string, text: string}?
function Load:request(i) end

--- Also `<close>`.
function Load:close() end

return http

---@meta woolly.store
error("for editors only")

--- The file that keeps the runs with all samples; a run is written whole or not at all.
---@class woolly.store
local store = {}

--- Opens the store, and makes it when it is absent; sees at once whether it can be written.
---@param url string   "sqlite:PATH" or a path
---@param options? {read_only?: boolean}
---@return woolly.store.Store? store, string? message, string? code
function store.open(url, options) end

--- A new ULID.
---@return string
function store.new_id() end

---@class woolly.store.Store
local Store = {}

--- Saves a whole woolly-report/1 table as one transaction (all samples included). Idempotent by
--- report.run.id. machine, model and gate are taken from the report.
---@param report table
---@return string? id, string? message, string? code
function Store:save(report) end

---@class woolly.store.Filter
---@field scenario? string
---@field machine? string    fingerprint
---@field model? string      sha256
---@field target? string
---@field preset? string
---@field limit? integer     default 50, newest first

---@class woolly.store.Row
---@field id string
---@field scenario string
---@field target string
---@field preset string?
---@field commit string?
---@field status string        "complete" or "partial"
---@field verdict string?
---@field machine string
---@field model_name string?
---@field started string       RFC 3339
---@field exit_status integer
---@field model string?        sha256
---@field switches string?     JSON, keys sorted: equal switches are equal texts
---@field params string?       likewise the scenario's own options; nil in files of older builds
---@field started_s number      wall time since 1970
---@field seq integer          the order of saving, whatever the clock says

--- Kept runs, newest first.
---@param filter? woolly.store.Filter
---@return woolly.store.Row[]? rows, string? message, string? code
function Store:list(filter) end

---@class woolly.store.HistoryFilter: woolly.store.Filter
---@field metric? string   this one alone, and only the runs that name it

---@class woolly.store.Series
---@field at integer[]      index of the run in rows
---@field value number[]    median of the metric's samples in it

---@class woolly.store.History
---@field rows woolly.store.Row[]
---@field series table<string, woolly.store.Series>   by metric

--- Complete runs in the order they were saved, oldest first (the newest filter.limit of them), and
--- the median of every metric in each.
---@param filter? woolly.store.HistoryFilter
---@return woolly.store.History? history, string? message, string? code
function Store:history(filter) end

--- The stored report as a table.
---@param which string   id, unique prefix, "last", or a pin's name
---@return table? report, string? message, string? code
function Store:report(which) end

--- Gives a run a name ("release-1"); moves the name when it is taken.
---@param name string
---@param which string
---@return true? ok, string? message, string? code
function Store:pin(name, which) end

--- Sets a label of a run.
---@param which string
---@param key string
---@param value string
---@return true? ok, string? message, string? code
function Store:tag(which, key, value) end

--- The labels of all runs whose key begins so, in the order the runs were saved.
---@param prefix string
---@return {id: string, seq: integer, key: string, value: string}[]? tags, string? message, string? code
function Store:tags(prefix) end

--- The file.
---@return string path
function Store:path() end

--- Also `<close>`.
function Store:close() end

return store

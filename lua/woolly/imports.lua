--- Histories that other programs measured, as reports: llama-bench's JSON, k6's summary, dates and
--- values as CSV. Pure: the JSON is decoded already.
local metrics = require "woolly.metrics"
local report  = require "woolly.report.json"
local suggest = require "woolly.suggest"

local imports = {}

imports.FORMATS = { "auto", "woolly", "llama-bench", "k6", "csv" }

local LETTERS <const> = "0123456789ABCDEFGHJKMNPQRSTVWXYZ" -- Crockford's, as in ULIDs
local ID_LENGTH <const> = 26
local DAY_S <const> = 86400

-- FNV-1a, 64 bits.
local function hash(text, seed)
  local value = 0xcbf29ce484222325 ~ seed
  for i = 1, #text do value = (value ~ text:byte(i)) * 0x100000001b3 end
  return value
end

--- The same content has the same id, so that importing it twice changes nothing.
---@param text string
---@return string id
function imports.id(text)
  local letters, value = {}, 0
  for i = 1, ID_LENGTH do
    if i % 12 == 1 then value = hash(text, i) end
    local index = value & 31
    if i == 1 then index = index & 7 end -- a ULID has 128 bits
    letters[i] = LETTERS:sub(index + 1, index + 1)
    value = value >> 5
  end
  return table.concat(letters)
end

local function days_from_civil(y, m, d)
  if m <= 2 then y = y - 1 end
  local era, month = y // 400, m > 2 and m - 3 or m + 9
  local of_era = y - era * 400
  local of_year = (153 * month + 2) // 5 + d - 1
  return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
end

local MONTH_DAYS <const> = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

--- "2026-01-02", "2026-01-02T03:04:05.678Z", "2026-01-02 03:04:05+02:00" or seconds since 1970, as
--- RFC 3339 in UTC.
---@param text string
---@return string? utc
---@return number? seconds
function imports.utc(text)
  text = text:match("^%s*(.-)%s*$")
  local seconds = tonumber(text:match("^%d+%.?%d*$"))
  local y, m, d, rest = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if y then
    y, m, d = tonumber(y), tonumber(m), tonumber(d)
    if m < 1 or m > 12 or d < 1 or d > MONTH_DAYS[m] then return nil end
    seconds = days_from_civil(y, m, d) * DAY_S
    local hour, minute, second, zone = rest:match("^[T ](%d%d):(%d%d):(%d%d%.?%d*)(.*)$")
    if hour then
      if tonumber(hour) > 23 or tonumber(minute) > 59 or tonumber(second) > 60 then return nil end
      seconds = seconds + tonumber(hour) * 3600 + tonumber(minute) * 60 + tonumber(second)
      local sign, zone_hour, zone_minute = zone:match("^([+-])(%d%d):?(%d%d)$")
      if sign then
        local shift = tonumber(zone_hour) * 3600 + tonumber(zone_minute) * 60
        seconds = sign == "+" and seconds - shift or seconds + shift
      elseif zone ~= "" and zone ~= "Z" then
        return nil
      end
    elseif rest ~= "" then
      return nil
    end
  end
  if not seconds or seconds < 0 or seconds >= 9183110400 then return nil end -- 1970 to 2260
  local whole = math.floor(seconds)
  return os.date("!%Y-%m-%dT%H:%M:%S", whole)
    .. string.format(".%03dZ", math.floor((seconds - whole) * 1000 + 0.5) % 1000), seconds
end

---@class woolly.Foreign
---@field source string           "llama-bench"
---@field started string          RFC 3339
---@field machine table           with fingerprint
---@field model? table
---@field scenario string
---@field params table<string, any>
---@field samples table<string, number[]>
---@field commit? string
---@field identity string         what makes it this measurement and no other

--- A report of what another program measured.
---@param foreign woolly.Foreign
---@return table document
local function document_of(foreign)
  local names = {}
  for name in pairs(foreign.samples) do names[#names + 1] = name end
  local measured = {}
  for _, name in ipairs(metrics.sort(names)) do
    measured[name] = { samples = foreign.samples[name] }
  end
  local document = report.build({
    id = imports.id(foreign.source .. "\0" .. foreign.identity), scenario = foreign.scenario,
    started = foreign.started, target = foreign.source, params = foreign.params, seed = 0,
    dirty = false, commit = foreign.commit, tags = { imported = foreign.source },
    status = "complete",
  }, { machine = foreign.machine, model = foreign.model, order = names, measured = measured,
       status = 0 })
  return document
end

local function finite(value)
  return type(value) == "number" and value == value and math.abs(value) ~= math.huge
end

local function numbers(list)
  if type(list) ~= "table" or #list == 0 then return nil end
  for _, value in ipairs(list) do
    if not finite(value) or value < 0 then return nil end
  end
  return table.move(list, 1, #list, 1, {})
end

local BENCH_PARAMS <const> = { "n_prompt", "n_gen", "n_depth", "n_threads", "n_batch", "n_ubatch",
                               "type_k", "type_v", "n_gpu_layers", "flash_attn", "model_size",
                               "model_n_params" }

--- llama-bench -o json: one report per test.
---@param list table
---@return table[]? documents
---@return string? message
---@return string[]? notes
function imports.llama_bench(list)
  if type(list) ~= "table" or #list == 0 then return nil, "holds no tests of llama-bench" end
  local documents, notes = {}, {}
  for i, test in ipairs(list) do
    local where = string.format("test %d", i)
    if type(test) ~= "table" or type(test.model_filename) ~= "string" then
      return nil, where .. ": model_filename is missing: is this llama-bench -o json?"
    end
    local rates = numbers(test.samples_ts) or numbers { test.avg_ts }
    local n_prompt, n_gen = test.n_prompt or 0, test.n_gen or 0
    local started = type(test.test_time) == "string" and imports.utc(test.test_time)
    if not rates then return nil, where .. ": samples_ts holds no rates" end
    if not started then return nil, where .. ": test_time is no time" end
    if n_prompt > 0 and n_gen > 0 then
      notes[#notes + 1] = where .. ": prompt and decode in one figure: left out"
    else
      local params = { model = test.model_filename:match("([^/\\]+)$") }
      for _, key in ipairs(BENCH_PARAMS) do params[key] = test[key] end
      local machine = tostring(test.cpu_info or "?") .. " " .. tostring(test.gpu_info or "")
      documents[#documents + 1] = document_of {
        source = "llama-bench", scenario = "llama-bench", started = started, params = params,
        commit = type(test.build_commit) == "string" and test.build_commit or nil,
        machine = { fingerprint = "llama-bench-" .. imports.id(machine):sub(1, 12),
                    cpu = tostring(test.cpu_info or "?") },
        samples = { [n_gen > 0 and "tokens_per_second" or "prefill_tokens_per_second"] = rates },
        identity = table.concat({ test.model_filename, started, n_prompt, n_gen,
                                  tostring(test.n_depth), tostring(test.n_threads),
                                  table.concat(rates, ",") }, "\0"),
      }
    end
  end
  return documents, nil, notes
end

-- k6's metric, the figure of it that is kept, ours.
local K6 <const> = {
  { "http_req_duration", "med", "e2e_ms" }, { "http_req_failed", "rate", "error_rate" },
  { "ttft", "med", "ttft_ms" }, { "time_to_first_token", "med", "ttft_ms" },
}

--- k6's summary (--summary-export, or handleSummary's data): one report.
---@param summary table
---@param options {started: string, scenario: string, identity: string}
---@return table[]? documents
---@return string? message
function imports.k6(summary, options)
  local found = type(summary) == "table" and summary.metrics
  if type(found) ~= "table" then return nil, "has no metrics: is this a summary of k6?" end
  local samples = {}
  for _, one in ipairs(K6) do
    local metric = found[one[1]]
    if type(metric) == "table" then
      local values = type(metric.values) == "table" and metric.values or metric
      local value = values[one[2]]
      if value == nil and one[2] == "rate" then value = values.value end
      if finite(value) and value >= 0 then samples[one[3]] = samples[one[3]] or { value } end
    end
  end
  if next(samples) == nil then
    return nil, "has none of http_req_duration (med), http_req_failed (rate), ttft (med)"
  end
  return { document_of { source = "k6", scenario = options.scenario, started = options.started,
                         params = {}, machine = { fingerprint = "k6-" .. options.scenario },
                         samples = samples, identity = options.identity } }
end

local function fields_of(line)
  local fields = {}
  for field in (line .. ","):gmatch("([^,;\t]*)[,;\t]") do
    fields[#fields + 1] = field:match('^%s*"?(.-)"?%s*$')
  end
  return fields
end

--- Lines of a date and values; the first may name the metrics.
---@param text string
---@param options {metric?: string, scenario: string}
---@return table[]? documents   sorted by date
---@return string? message
function imports.csv(text, options)
  local columns, rows, number = nil, {}, 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    line = line:gsub("\r$", "")
    if line:match("%S") and not line:match("^%s*#") then
      local fields = fields_of(line)
      if not columns and not imports.utc(fields[1]) then
        columns = table.move(fields, 2, #fields, 1, {})
        if options.metric and #columns == 1 then columns[1] = options.metric end
      else
        columns = columns or { options.metric }
        local started, seconds = imports.utc(fields[1])
        if not started then
          return nil, string.format("line %d: '%s' is no date", number, fields[1])
        end
        if #columns == 0 then
          return nil, "which metric is it? --metric tokens_per_second, or name it in the first line"
        end
        local samples = {}
        for i, name in ipairs(columns) do
          local field = fields[i + 1] or ""
          local value = tonumber(field)
          if field ~= "" and not finite(value) then
            return nil, string.format("line %d: '%s' is no number", number, field)
          end
          if value and value < 0 and not (metrics.all[name] or {}).any_sign then
            return nil, string.format("line %d: %g is negative, which %s never is", number, value,
                                      name)
          end
          samples[name] = value and { value + 0.0 } or nil
        end
        rows[#rows + 1] = { started = started, seconds = seconds, samples = samples, line = number,
                            text = line }
      end
    end
  end
  if #rows == 0 then return nil, "holds no line of a date and a value" end
  for _, name in ipairs(columns) do
    if not metrics.all[name] then
      return nil, string.format("unknown metric '%s'%s. --metric NAME says which it is", name,
                                suggest.hint(name, suggest.keys(metrics.all)))
    end
  end
  table.sort(rows, function(a, b)
    if a.seconds ~= b.seconds then return a.seconds < b.seconds end
    return a.line < b.line
  end)
  local documents, seen = {}, {}
  for i, row in ipairs(rows) do
    seen[row.text] = (seen[row.text] or 0) + 1 -- the same line twice is two measurements
    documents[i] = document_of {
      source = "csv", scenario = options.scenario, started = row.started, params = {},
      machine = { fingerprint = "csv-" .. options.scenario }, samples = row.samples,
      identity = table.concat({ options.scenario, row.text, seen[row.text],
                                table.concat(columns, ",") }, "\0"),
    }
  end
  return documents
end

--- Which format a text is in, by how it begins.
---@param text string
---@return string format
function imports.guess(text)
  local first = text:match("^%s*(.)")
  if first == "[" then return "llama-bench" end
  if first == "{" then
    if text:find('"woolly-report/1"', 1, true) then return "woolly" end
    return text:find('"model_filename"', 1, true) and "llama-bench" or "k6"
  end
  return "csv"
end

return imports

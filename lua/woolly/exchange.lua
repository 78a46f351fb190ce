--- Runs out of a store and into it: JSON lines of whole reports, and what imports.lua reads.
local failure = require "woolly.failure"
local files   = require "woolly.files"
local imports = require "woolly.imports"
local report  = require "woolly.report.json"

local exchange = {}

local MOST_BYTES <const> = 1 << 28
local FIRST_LOOK <const> = 65536 -- bytes by which a format is told

--- Writes reports, one a line, in the order named.
---@param kept woolly.store.Store
---@param which string[]
---@param path string   "-" is standard output
---@return integer n
function exchange.export(kept, which, path)
  local json = require "woolly.json"
  local part = path .. ".part"
  local out, message = io.stdout, nil
  if path ~= "-" then
    out, message = io.open(part, "wb")
    if not out then failure.raise("export: " .. tostring(message), "environment") end
  end
  for _, run in ipairs(which) do
    local document = failure.must(kept:report(run))
    local ok
    ok, message = out:write(json.encode(document), "\n")
    if not ok then failure.raise("export: " .. tostring(message), "environment") end
  end
  if path == "-" then
    out:flush()
    return #which
  end
  local ok = out:close()
  if ok then ok, message = os.rename(part, path) end
  if not ok then failure.raise("export: " .. tostring(message), "environment") end
  return #which
end

local function decode(text, where)
  return failure.must(require("woolly.json").decode(text, where))
end

local function refuse(path, message)
  failure.raise(string.format("import: %s: %s. Nothing more was imported", path, message))
end

-- Saves one document; a malformed one is bad input, not a bug.
local function save(kept, document, path, where)
  local ok, id, message, code = pcall(kept.save, kept, document)
  if not ok then refuse(path, string.format("%s: %s", where, tostring(id))) end
  failure.must(id, message, code)
end

local function known_ids(kept)
  local ids = {}
  for _, row in ipairs(failure.must(kept:list { limit = 1000000 })) do ids[row.id] = true end
  return ids
end

local function import_lines(kept, path, count)
  local number = 0
  for line in io.lines(path) do
    number = number + 1
    if line:match("%S") then
      local where = string.format("line %d", number)
      local document = decode(line, path .. " " .. where)
      if type(document) ~= "table" or document.schema ~= report.SCHEMA
         or type(document.run) ~= "table" or type(document.run.id) ~= "string" then
        refuse(path, string.format("%s: found no %s document", where, report.SCHEMA))
      end
      count(document.run.id)
      save(kept, document, path, where)
    end
  end
end

-- llama-bench writes an array (json) or an object a line (jsonl).
local function bench_tests(text, path)
  local json = require "woolly.json"
  if text:match("^%s*%[") then return report.from_json(decode(text, path), json.null) end
  local list = {}
  for line in text:gmatch("[^\n]+") do
    if line:match("%S") then
      list[#list + 1] = report.from_json(decode(line, path), json.null)
    end
  end
  return list
end

local function foreign(format, text, path, options)
  local json = require "woolly.json"
  if format == "llama-bench" then return imports.llama_bench(bench_tests(text, path)) end
  local scenario = options.scenario or files.stem(path)
  if format == "csv" then return imports.csv(text, { metric = options.metric,
                                                     scenario = scenario }) end
  local started = options.date and imports.utc(options.date) or require("woolly.clock").utc()
  if options.date and not imports.utc(options.date) then
    failure.raise(string.format("--date: '%s' is no date", options.date))
  end
  local documents, message = imports.k6(report.from_json(decode(text, path), json.null),
                                        { started = started, scenario = scenario,
                                          identity = (options.date or "") .. text })
  local notes = not options.date
    and { "k6's summary has no date: now was taken; --date says another" } or {}
  return documents, message, notes
end

--- Reads a file into the store.
---@param kept woolly.store.Store
---@param path string
---@param options {format: string, metric?: string, scenario?: string, date?: string}
---@return {new: integer, known: integer, format: string, notes: string[]}
function exchange.import(kept, path, options)
  local process, json = require "woolly.process", require "woolly.json"
  if not process.exists(path) then
    failure.raise(string.format("import: %s: no such file", path))
  end
  local known, found = known_ids(kept), { new = 0, known = 0, notes = {} }
  local function count(id)
    found[known[id] and "known" or "new"] = found[known[id] and "known" or "new"] + 1
    known[id] = true
  end
  local file <close> = io.open(path, "rb")
  local look = file and file:read(FIRST_LOOK)
  if not look then failure.raise(string.format("import: %s: is empty or cannot be read", path)) end
  found.format = options.format ~= "auto" and options.format or imports.guess(look)
  if found.format == "woolly" then
    import_lines(kept, path, count)
    return found
  end
  local text = failure.must(process.read_file(path, MOST_BYTES))
  local documents, message, notes = foreign(found.format, text, path, options)
  if not documents then
    failure.raise(string.format("import: %s: %s", path, message))
  end
  for i, document in ipairs(documents) do
    count(document.run.id)
    save(kept, report.for_json(document, json), path, string.format("entry %d", i))
  end
  found.notes = notes or {}
  return found
end

return exchange

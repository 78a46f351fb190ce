--- Reports by name: a file that --save or --json wrote, a stored run, a pin.
local failure = require "woolly.failure"
local report  = require "woolly.report.json"

local stored = {}

local MOST_BYTES <const> = 1 << 28

---@param url string
---@return boolean
function stored.exists(url)
  return url ~= "none" and require("woolly.process").exists((url:gsub("^sqlite:", "")))
end

--- A report from a file.
---@param path string
---@param what string   for messages: "--compare"
---@return table document
function stored.file(path, what)
  local json = require "woolly.json"
  local text = failure.must(require("woolly.process").read_file(path, MOST_BYTES))
  local document = report.from_json(failure.must(json.decode(text, path)), json.null)
  if type(document) ~= "table" or document.schema ~= report.SCHEMA then
    failure.raise(string.format("%s: %s: found no %s document", what, path, report.SCHEMA))
  end
  return document
end

--- A stored run's report, or nil, message, code.
---@param kept woolly.store.Store
---@param which string
function stored.run(kept, which)
  local document, message, code = kept:report(which)
  if not document then return nil, message, code end
  return report.from_json(document, require("woolly.json").null)
end

--- A file when there is one of that name, else a stored run.
---@param which string
---@param url string    of the store
---@param what string   for messages
---@return table document
function stored.document(which, url, what)
  if require("woolly.process").exists(which) then return stored.file(which, what) end
  if not stored.exists(url) then
    failure.raise(string.format("%s: %s: no such file, and there is no store %s", what, which, url))
  end
  local kept <close> = failure.must(require("woolly.store").open(url, { read_only = true }))
  return failure.must(stored.run(kept, which))
end

return stored

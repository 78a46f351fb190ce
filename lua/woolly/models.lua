--- What --model means: a file, synth:SHAPE-TYPE, or bundled:NAME.
local failure  = require "woolly.failure"
local progress = require "woolly.progress"

local models = {}

local function bundled(name)
  local process = require "woolly.process"
  local file = "/" .. name .. ".gguf"
  for _, name_of_file in ipairs { file, "/" .. name .. ".f32.gguf" } do
    for _, folder in ipairs { process.share_folder .. "/models",
                              process.source_folder .. "/tests/fixtures" } do
      if folder:sub(1, 1) == "/" and process.exists(folder .. name_of_file) then
        return folder .. name_of_file
      end
    end
  end
  failure.raise(string.format("model: bundled:%s: no such bundled model, there is stories260K. "
    .. "Run from the source tree or an installation", name))
end

local function synth(spec, quiet)
  local engine = require "woolly.engine"
  local line = progress.new { quiet = quiet }
  local path, message, code = engine.synth(spec, {
    on_progress = function(done, total)
      line:share(string.format("making synth:%s (%.0f MB, kept in the cache folder)", spec,
                               total / 1e6), done, total)
    end,
  })
  line:clear()
  return failure.must(path, message, code)
end

--- The path of a model file; synthetic ones are made on first use.
---@param spec string
---@param quiet? boolean
---@return string path
function models.resolve(spec, quiet)
  local scheme, rest = spec:match("^(%l+):(.+)$")
  if scheme == "synth" then return synth(rest, quiet) end
  if scheme == "bundled" then return bundled(rest) end
  if not require("woolly.process").exists(spec) then
    failure.raise(string.format("model: %s: no such file. Name a GGUF file, synth:110m-q4_0 or "
                                .. "bundled:stories260K", spec))
  end
  return spec
end

return models

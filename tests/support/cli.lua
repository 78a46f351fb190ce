--- Runs the real program as a user would and collects what it printed. For tests under cli/.
local cli = {}

local program = os.getenv("WOOLLY_PROGRAM") or "build/woolly-lua"
cli.program = program
cli.source = os.getenv("WOOLLY_SOURCE") or "."
cli.build = os.getenv("WOOLLY_BUILD") or "build"
--- Sanitized programs are several times slower: tests shorten their loops.
cli.sanitized = (os.getenv("WOOLLY_SANITIZE") or "") ~= ""
cli.model = cli.source .. "/tests/fixtures/stories260K.f32.gguf"
--- The same rounded to Q4_0, for tests that generate much: its products cost less under a sanitizer.
cli.small_model = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"

local folder -- made at first use, removed by cli.clean_up

function cli.quote(word)
  word = tostring(word)
  if word:find("^[%w%-_./=,:@+]+$") then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- A folder of this test's own.
function cli.folder()
  if not folder then
    local pipe = assert(io.popen("mktemp -d \"${TMPDIR:-/tmp}/woolly-test.XXXXXX\""))
    folder = pipe:read("l")
    pipe:close()
    assert(folder and folder ~= "", "mktemp failed")
    assert(os.execute("chmod 755 " .. cli.quote(folder)))
  end
  return folder
end

--- Removes the folder; call it last.
function cli.clean_up()
  if folder then os.execute("chmod -R u+w " .. folder .. " && rm -rf " .. cli.quote(folder)) end
  folder = nil
end

function cli.path(name) return cli.folder() .. "/" .. name end

function cli.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

function cli.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

function cli.exists(path)
  local file = io.open(path, "rb")
  if file then file:close() end
  return file ~= nil
end

---@class cli.Options
---@field cwd? string      default: the test's own folder
---@field env? string      "A=1 B=2" in front of the command
---@field before? string   words in front of the program: "setpriv ..."

---@class cli.Result
---@field status integer   128 + signal when one ended it
---@field out string
---@field err string
---@field command string

--- Runs a shell command line.
---@return cli.Result
function cli.shell(command, options)
  options = options or {}
  local out, err = cli.path("stdout"), cli.path("stderr")
  local line = string.format("cd %s && { %s\n} >%s 2>%s </dev/null",
                             cli.quote(options.cwd or cli.folder()), command, out, err)
  local _, how, code = os.execute(line)
  return { status = how == "signal" and 128 + code or code, out = cli.read(out),
           err = cli.read(err), command = command }
end

--- Runs the program with these arguments.
---@param arguments string[]
---@param options? cli.Options
---@return cli.Result
function cli.run(arguments, options)
  options = options or {}
  local words = {}
  for i, word in ipairs(arguments) do words[i] = cli.quote(word) end
  local command = string.format("%s %s %s %s", options.env and "env " .. options.env or "",
                                options.before or "", cli.quote(options.program or program),
                                table.concat(words, " "))
  return cli.shell(command, options)
end

--- Runs the program and requires a status; the message of a failure shows what was printed.
function cli.expect(status, arguments, options)
  local result = cli.run(arguments, options)
  if result.status ~= status then
    error(string.format("%s\nstatus %d, expected %d\n%s\n%s", result.command, result.status,
                        status, result.out, result.err), 2)
  end
  return result
end

--- Requires one line on stderr that holds every part, the promise for bad input.
function cli.one_line(text, ...)
  local lines = select(2, text:gsub("[^\n]+", ""))
  if lines ~= 1 then
    error(string.format("%d lines on stderr, expected 1:\n%s", lines, text), 2)
  end
  for _, part in ipairs { ... } do
    if not text:find(part, 1, true) then
      error(string.format("stderr does not contain %q:\n%s", part, text), 2)
    end
  end
end

--- float32 values of a little-endian file.
function cli.floats(bytes)
  local values = {}
  for i = 1, #bytes // 4 do values[i] = string.unpack("<f", bytes, 4 * i - 3) end
  return values
end

return cli

--- A run beside processes that burn all cores says that it was disturbed. WOOLLY_TRIES times, by
--- default 2; with more, undisturbed ones are counted as well.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local TRIES <const> = tonumber(os.getenv "WOOLLY_TRIES") or 2
local QUANTISED <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"

local BURN <const> = [[
pids=
for i in $(seq $(nproc)); do sh -c 'while :; do :; done' & pids="$pids $!"; done
trap 'kill $pids' EXIT
]]

--- Half a second of decoding, beside the burners or not.
local function is_disturbed(burn)
  local command = string.format("%s%s quick.lua --store none --quiet --json out.json --model %s "
    .. "--n_tokens 200 --n_prompt 8 --runs 20 --preset p4", burn and BURN or "",
    cli.quote(cli.program), cli.quote(QUANTISED))
  local result = cli.shell(command)
  if result.status ~= 0 then error(result.err) end
  local document = json.decode(cli.read(cli.path("out.json")))
  if document.run.disturbed then return true, document end
  for _, repetition in ipairs(document.repetitions) do
    if repetition.disturbed then return true, document end
  end
  return false, document
end

local function count(burn)
  local n = 0
  for _ = 1, TRIES do n = n + (is_disturbed(burn) and 1 or 0) end
  return n
end

tap.test("a run beside other load is tagged", function()
  local n = count(true)
  print(string.format("# disturbed: %d of %d are tagged", n, TRIES))
  tap.truthy(n >= TRIES * 0.95, n)
end)

tap.test("every sample's repetition is in the report", function()
  local _, document = is_disturbed(false)
  local indexed = 0
  for _, repetition in ipairs(document.repetitions) do
    tap.equal(repetition.test, "quick")
    tap.truthy(repetition.wall_ns > 0 and repetition.cpu_ns > 0)
    indexed = indexed + (repetition.index and 1 or 0)
  end
  tap.equal(indexed, 20)
end)

if TRIES > 2 then -- a machine that builds beside this cannot promise quiet
  tap.test("an undisturbed run is not tagged", function()
    local n = count(false)
    print(string.format("# undisturbed: %d of %d are tagged", n, TRIES))
    tap.truthy(n <= TRIES * 0.05, n)
  end)
end

cli.clean_up()
tap.done()

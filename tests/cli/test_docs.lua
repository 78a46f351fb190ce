--- Every command that the README and the guide show does what they say: it runs and ends well.
local cli = require "cli"
local tap = require "tap"

cli.shell("cp -r " .. cli.quote(cli.source .. "/docs") .. " " .. cli.quote(cli.source .. "/gates")
          .. " .")

--- Lines of the ```sh blocks that begin with the program's name.
local function commands(page)
  local list = {}
  for block in cli.read(cli.source .. "/" .. page):gmatch("```sh\n(.-)```") do
    for line in block:gmatch("[^\n]+") do
      local words = line:match("^woolly%-lua (.-)%s*$")
      if words then list[#list + 1] = (words:gsub("%s+#.*$", "")) end
    end
  end
  return list
end

for _, page in ipairs { "docs/guide.md", "README.md" } do
  local shown = commands(page)
  tap.test(page .. " shows commands", function() tap.truthy(#shown > 3, "commands") end)
  for _, words in ipairs(shown) do
    if words:find("model.gguf", 1, true) then
      tap.skip(words, "stands for a model of the reader's own")
    else
      tap.test("woolly-lua " .. words, function()
        local result = cli.shell(cli.quote(cli.program) .. " " .. words)
        -- Where time is judged, a busy machine may well be undecided or too slow.
        local is_timed = words:find("--compare", 1, true) or words:find("--gate", 1, true)
        -- Without a history they cannot judge, and say so.
        for _, script in ipairs { "regression", "compare", "trend_analysis", "daily" } do
          is_timed = is_timed or words:find("^" .. script .. "%.lua")
        end
        tap.truthy(result.status <= (is_timed and 2 or 0),
                   "status " .. result.status .. "\n" .. result.out .. result.err)
      end)
    end
  end
end

cli.clean_up()
tap.done()

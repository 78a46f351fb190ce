--- What docs/ says is so: metrics, examples, links, options.
local metrics = require "woolly.metrics"
local options = require "woolly.options"
local tap = require "tap"

local source = os.getenv("WOOLLY_SOURCE") or "."

local function read(path)
  local file = assert(io.open(source .. "/" .. path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local pages = { "README.md", "docs/guide.md", "docs/scenario-api.md", "docs/metrics.md",
                "docs/internals.md", "docs/measuring.md", "docs/reference.md", "docs/http.md" }

tap.test("docs/metrics.md has one row for every metric: unit, direction, text", function()
  local page, rows = read "docs/metrics.md", 0
  for _, name in ipairs(metrics.order) do
    local m = metrics.all[name]
    tap.contains(page, string.format("| `%s` | %s | %s | %s | %s |", name,
                                     m.unit == "" and "-" or m.unit, m.better, m.sample, m.text))
  end
  for _ in page:gmatch("\n| `[%w_]+` |") do rows = rows + 1 end
  tap.equal(rows, #metrics.order, "rows")
end)

tap.test("every option of a scenario is explained in the guide", function()
  local page = read "docs/guide.md"
  for _, spec in ipairs(options.scenario) do tap.contains(page, "`--" .. spec.name) end
end)

tap.test("examples shown are the files under docs/examples", function()
  local page = read "docs/guide.md"
  for _, name in ipairs { "first_scenario.lua", "first_gate.lua" } do
    tap.contains(page, "```lua\n" .. read("docs/examples/" .. name) .. "```")
  end
end)

tap.test("links lead to files and headings that exist", function()
  for _, page in ipairs(pages) do
    local folder = page:match("^(.*/)") or ""
    for target in read(page):gmatch("%]%(([^)]+)%)") do
      local path, heading = target:match("^([^#]*)#?(.*)$")
      if not target:match("^https?:") then
        local file = path == "" and page or folder .. path
        local text = read(file)
        if heading ~= "" then
          local found = false
          for title in text:gmatch("\n#+ ([^\n]+)") do
            local anchor = title:lower():gsub("[^%w%s-]", ""):gsub(" ", "-")
            found = found or anchor == heading
          end
          tap.truthy(found, page .. ": " .. target)
        end
      end
    end
  end
end)

tap.test("Lua in the pages compiles", function()
  for _, page in ipairs(pages) do
    for block in read(page):gmatch("```lua\n(.-)```") do
      local ok, message = load(block, "@" .. page, "t")
      tap.truthy(ok, message)
    end
  end
end)

tap.done()

--- The result for other programs, as a CI job asks for it: files, annotations, the summary.
local cli = require "cli"
local tap = require "tap"

local function run(words, before)
  return cli.shell(string.format("%s %s %s", before or "", cli.quote(cli.program), words))
end

tap.test("a run writes all forms at once", function()
  local found = run("smoke.lua --quiet --junit a.xml --markdown a.md --csv a.csv --html a.html "
                    .. "--openmetrics a.prom")
  tap.truthy(found.status == 0, found.out .. found.err)
  tap.contains(cli.read(cli.path "a.xml"), "<testsuites>")
  tap.contains(cli.read(cli.path "a.md"), "<!-- woolly-lua smoke -->")
  tap.contains(cli.read(cli.path "a.csv"), "tokens_per_second")
  tap.contains(cli.read(cli.path "a.html"), "Content-Security-Policy")
  tap.contains(cli.read(cli.path "a.prom"), "# EOF")
end)

tap.test("report.lua writes the same of the kept run, and its text", function()
  local found = run("report.lua last --junit b.xml --csv b.csv")
  tap.equal(found.status, 0, found.err)
  tap.equal(cli.read(cli.path "b.xml"), cli.read(cli.path "a.xml"), "JUnit")
  tap.equal(cli.read(cli.path "b.csv"), cli.read(cli.path "a.csv"), "CSV")
  tap.contains(found.out, "tokens_per_second")
end)

tap.test("a gate that fails is an annotation, a summary and a status of 1", function()
  cli.write(cli.path "hard.lua", "return { title = 'Hard', limits = { tokens_per_second = "
            .. "{ min = 1e9 } } }\n")
  local found = run("smoke.lua --quiet --gate hard.lua --github --runs 6",
                    "GITHUB_STEP_SUMMARY=summary.md")
  tap.equal(found.status, 1, found.out .. found.err)
  tap.contains(found.out, "::error title=")
  tap.contains(cli.read(cli.path "summary.md"), "### ❌ Hard: **FAILED**")
end)

tap.test("a comparison stands in the Markdown", function()
  local found = run("report.lua last --markdown - --compare last")
  tap.equal(found.status, 0, found.err)
  tap.contains(found.out, "against the baseline")
  tap.contains(found.out, "1.000")
end)

tap.test("xmllint finds the JUnit well-formed", function()
  if cli.shell("command -v xmllint").status == 0 then
    tap.equal(cli.shell("xmllint --noout a.xml").status, 0, "xmllint")
  end
end)

cli.clean_up()
tap.done()

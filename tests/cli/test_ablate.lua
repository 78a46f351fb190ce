--- ablate.lua: every switch alone, with rates, intervals and what it does to the answers.
local cli = require "cli"
local json = require "json"
local schema = require "schema"
local tap = require "tap"

local MODEL <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"

local result = cli.run { "ablate.lua", "--model", MODEL, "--preset", "p3", "--runs", "2",
                         "--seconds", "0.001", "--n_quality", "4", "--store", "none", "--quiet",
                         "--json", "-" }
local report = result.status == 0 and json.decode(result.out)

tap.test("it ends well, and its report follows the schema", function()
  tap.equal(result.status, 0, result.err)
  local problems = schema.check(report, json.decode(cli.read(cli.source
                                                             .. "/docs/report-schema.json")))
  tap.equal(#problems, 0, problems[1])
end)

tap.test("the table has every switch on top of p0 and taken out of the preset", function()
  local sets = { on = {}, off = {} }
  for _, row in ipairs(report.tables.ablation) do
    table.insert(sets[row.set], row.name)
    tap.equal(row.refused, nil, row.name)
    tap.truthy(row.decode > 0 and row.decode_low <= row.decode and row.decode <= row.decode_high,
               row.name)
    tap.truthy(row.kld_mean >= 0 and row.kld_mean < 0.1, row.name)
  end
  local on, off = table.concat(sets.on, "; "), table.concat(sets.off, "; ")
  for _, name in ipairs { "p0", "+ simd", "+ pool", "+ fused_matmul (on pool)", "+ fused_attention",
                          "+ repack (on fused_matmul, pool)" } do
    tap.contains(on, name)
  end
  for _, name in ipairs { "all", "- no simd", "- no pool, nor what needs it", "- no repack" } do
    tap.contains(off, name)
  end
  tap.equal(report.tables.ablation[1].kld_mean, 0, "p0 against itself")
end)

cli.clean_up()
tap.done()

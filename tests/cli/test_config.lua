--- The plan's JSON configuration at the command line: read as it stands, wrong ones refused.
local cli = require "cli"
local tap = require "tap"

local function dry(config_text)
  local file = cli.write(cli.path("config.json"), config_text)
  return cli.run { "inference_speed.lua", "--model", cli.model, "--config", file, "--dry-run" }
end

local function refused(config_text, ...)
  local result = dry(config_text)
  tap.equal(result.status, 3, config_text:sub(1, 80) .. "\n" .. result.err)
  for _, part in ipairs { "config.json", ... } do tap.contains(result.err, part) end
end

--- A configuration around one gate line.
local function gates(line)
  return '{"phase": "1_critical_path", "performance_gates": {' .. line .. "}}"
end

for phase = 1, 5 do
  tap.test("the configuration of phase " .. phase .. " is read as it stands", function()
    cli.expect(0, { "inference_speed.lua", "--model", cli.model, "--dry-run", "--config",
                    cli.source .. "/gates/validation_config_phase" .. phase .. ".json" })
  end)
end

tap.test("J1: nesting, size and number of keys are bounded", function()
  refused(("["):rep(100000), "byte")
  refused('{"tests": ' .. ("["):rep(65) .. ("]"):rep(65) .. "}", "64")
  refused('{"phase": "' .. ("x"):rep(9 << 20) .. '"}')
  local keys = {}
  for i = 1, 10001 do keys[i] = string.format('"k%d":1', i) end
  refused("{" .. table.concat(keys, ",") .. "}", "byte")
end)

tap.test("J2: duplicate and unknown keys are errors, with the nearest known one", function()
  refused(gates '"min_tokens_per_second": 1, "min_tokens_per_second": 2', "min_tokens_per_second")
  refused(gates '"min_tokens_per_secnd": 1', "min_tokens_per_secnd", "tokens_per_second")
  refused(gates '"Min_tokens_per_second": 1', "Min_tokens_per_second", "min_tokens_per_second")
  refused('{"phase": "1_x", "performance_gate": {}}', "performance_gate", "performance_gates")
  refused('{"phase": "1_x", "tests": {"dequantisation_performance": {"enabled": true}}}',
          "dequantization_performance")
end)

tap.test("J3: numbers that are no JSON or not exact are errors", function()
  for _, number in ipairs { "NaN", "Infinity", "-Infinity", "1e999", "012", "1.", ".5", "+1",
                            "0x10", "1e", "--1" } do
    refused(gates('"min_tokens_per_second": ' .. number))
  end
end)

tap.test("J4: text that is no UTF-8 JSON is an error", function()
  refused("", "empty")
  refused("\xEF\xBB\xBF" .. gates '"min_tokens_per_second": 1', "BOM")
  refused("\xFF\xFE{\0}\0")
  refused(gates '"min_tokens_per_second": 1' .. " x", "byte")
  refused('{"phase": "\xC3\x28"}', "byte")
  refused('{"phase": "\\ud800"}', "byte")
  refused('{"phase": "a\nb"}', "byte")
  refused('{"phase": "a\0b"}', "byte")
end)

tap.test("J5: wrong types and ranges name the key's path", function()
  refused(gates '"min_tokens_per_second": "5"', "performance_gates.min_tokens_per_second",
          "string")
  refused(gates '"min_tokens_per_second": null', "performance_gates.min_tokens_per_second")
  refused(gates '"min_tokens_per_second": 5, "max_tokens_per_second": 1', "tokens_per_second")
  refused('{"tests": {"dequantization_performance": {"enabled": "yes"}}}',
          "tests.dequantization_performance.enabled")
  refused('{"tests": []}', "tests")
  refused("[]")
  refused("5")
end)

tap.test("a configuration that is not there or a folder: status 3 and the path", function()
  local result = cli.expect(3, { "inference_speed.lua", "--config", "nowhere.json", "--dry-run" })
  cli.one_line(result.err, "nowhere.json")
  cli.one_line(cli.expect(3, { "inference_speed.lua", "--config", cli.folder(), "--dry-run" }).err,
               cli.folder())
end)

cli.clean_up()
tap.done()

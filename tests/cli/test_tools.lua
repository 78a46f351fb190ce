--- The tools for looking inside, on the bundled model, against published goldens.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local fixtures = cli.source .. "/tests/fixtures/"
local goldens = fixtures .. "goldens/"

--- Runs a tool with --json - and returns its document.
local function tool(name, arguments)
  local words = { name, "--json", "-" }
  table.move(arguments, 1, #arguments, #words + 1, words)
  return json.decode(cli.expect(0, words).out)
end

local function with_model(name, arguments)
  return tool(name, { "--model", cli.model, table.unpack(arguments) })
end

tap.test("inspect prints the model's shape, metadata and tensors", function()
  local found = with_model("inspect.lua", {})
  tap.equal(found.model.arch, "llama", "arch")
  tap.equal(found.model.n_layer, 5, "n_layer")
  tap.equal(found.model.n_vocab, 512, "n_vocab")
  tap.equal(found.model.file_bytes, 1185376, "file_bytes")
  tap.equal(#found.tensors, 48, "tensors")
  tap.equal(#found.metadata, 19, "metadata keys")
  local names = {}
  for _, tensor in ipairs(found.tensors) do names[tensor.name] = tensor end
  tap.equal(names["blk.4.ffn_down.weight"].type, "F32", "type")
  tap.equal(names["blk.4.ffn_down.weight"].shape[1], 172, "columns")
end)

tap.test("inspect's text is bounded and names the model", function()
  local result = cli.expect(0, { "inspect.lua", "--model", cli.model })
  tap.contains(result.out, "llama")
  tap.truthy(#result.out < 16384, "bytes of text: " .. #result.out)
end)

--- The texts of an .inp file.
local function texts_of(path)
  local texts, mark = {}, "\n__ggml_vocab_test__\n"
  local all, from = cli.read(path), 1
  while true do
    local at = all:find(mark, from, true)
    if not at then break end
    texts[#texts + 1], from = all:sub(from, at - 1), at + #mark
  end
  return texts
end

tap.test("tokenize gives the reference ids for 46 of 46 texts", function()
  local texts = texts_of(fixtures .. "tokenizers/stories260K.inp")
  tap.equal(#texts, 46, "texts")
  local line_number = 0
  for line in io.lines(fixtures .. "tokenizers/stories260K.out") do
    line_number = line_number + 1
    local file = cli.write(cli.path("text"), texts[line_number])
    local found = with_model("tokenize.lua", { "--file", file, "--plain" })
    tap.equal(table.concat(found.ids, " "), (line:gsub("^%s+", ""):gsub("%s+$", "")),
              "ids of text " .. line_number)
  end
  tap.equal(line_number, 46, "lines")
end)

tap.test("tokenize adds BOS unless --plain is given", function()
  tap.equal(with_model("tokenize.lua", { "--text", "Once" }).ids[1], 1, "first id")
  tap.truthy(with_model("tokenize.lua", { "--text", "Once", "--plain" }).ids[1] ~= 1, "first id")
end)

local index = json.decode(cli.read(goldens .. "index.json"))

tap.test("an empty prompt is BOS alone, and greedy text equals the published text", function()
  local n = cli.sanitized and 40 or 256
  local found = with_model("generate.lua", { "--prompt", "", "--max_tokens", n })
  tap.equal(table.concat(found.prompt_ids, " "), "1", "prompt ids")
  local expected = table.concat(index.published_greedy.token_ids, " ", 1, n)
  tap.equal(table.concat(found.tokens, " "), expected, "tokens")
  local published = cli.read(goldens .. "published_greedy.txt")
  local text = found.text:gsub("^ ", "")
  if cli.sanitized then published = published:sub(1, #text) end
  tap.equal(text, (published:gsub("\n+$", "")), "text")
end)

for _, preset in ipairs { "p0", "p1" } do
  tap.test("logits and greedy tokens of every golden prompt agree under " .. preset, function()
    for _, prompt in ipairs(index.prompts) do
      local rows = cli.path("rows.bin")
      local n = cli.sanitized and 8 or 64
      local found = with_model("generate.lua", { "--prompt_file", goldens .. prompt.prompt_file,
                                                 "--max_tokens", n, "--preset", preset,
                                                 "--logits", rows })
      tap.equal(table.concat(found.prompt_ids, " "), table.concat(prompt.token_ids, " "), "ids")
      tap.equal(table.concat(found.tokens, " "),
                table.concat(prompt.greedy.token_ids, " ", 1, n), prompt.id .. ": tokens")
      local expected = cli.floats(cli.read(goldens .. prompt.logits_ref64.file))
      local logits = cli.floats(cli.read(rows))
      tap.equal(#logits, #expected, prompt.id .. ": logits")
      local worst = 0
      for i = 1, #expected do worst = math.max(worst, math.abs(logits[i] - expected[i])) end
      tap.truthy(worst <= 1e-3, prompt.id .. ": largest difference " .. worst)
    end
  end)
end

tap.test("ids given by hand are taken as they are", function()
  local found = with_model("generate.lua", { "--ids", "1,403,407", "--max_tokens", 3 })
  tap.equal(table.concat(found.prompt_ids, " "), "1 403 407", "prompt ids")
  tap.equal(table.concat(found.tokens, " "), "261 378 432", "tokens")
end)

--- llama-perplexity's definition, from rows of logits: the second half of each chunk is scored.
local function independent_perplexity(ids, n_ctx)
  local sum, n_scored, n_vocab = 0, 0, 512
  local rows_file = cli.path("rows.bin")
  for chunk = 0, #ids // n_ctx - 1 do
    local part = table.move(ids, chunk * n_ctx + 1, (chunk + 1) * n_ctx, 1, {})
    part[1] = 1
    with_model("generate.lua", { "--ids", table.concat(part, ","), "--max_tokens", 1,
                                 "--logits", rows_file })
    local rows = cli.floats(cli.read(rows_file))
    for position = n_ctx // 2, n_ctx - 2 do
      local base, largest, total = position * n_vocab, -math.huge, 0
      for i = 1, n_vocab do largest = math.max(largest, rows[base + i]) end
      for i = 1, n_vocab do total = total + math.exp(rows[base + i] - largest) end
      sum = sum + math.log(total) + largest - rows[base + part[position + 2] + 1]
      n_scored = n_scored + 1
    end
  end
  return math.exp(sum / n_scored), n_scored
end

tap.test("perplexity agrees with an independent computation to 0.1 %", function()
  local text = goldens .. "published_greedy.txt"
  local n_ctx = 64
  local found = with_model("perplexity.lua", { "--text", text, "--ctx", n_ctx })
  local ids = with_model("tokenize.lua", { "--file", text }).ids
  local expected, n_scored = independent_perplexity(ids, n_ctx)
  tap.equal(found.n_scored, n_scored, "scored positions")
  tap.near(found.perplexity / expected, 1, 1e-3, "ratio of perplexities")
end)

--- Distance in units in the last place of two float32 given as little-endian bytes.
local function ulps(a, b, at)
  local x, y = string.unpack("<i4", a, at), string.unpack("<i4", b, at)
  if x < 0 then x = -2147483648 - x end
  if y < 0 then y = -2147483648 - y end
  return math.abs(x - y)
end

for _, isa in ipairs { "scalar", "best" } do
  tap.test("dequantize decodes every golden block within 1 ulp, isa " .. isa, function()
    local list = json.decode(cli.read(goldens .. "dequant/index.json")).items
    for _, item in ipairs(list) do
      local out = cli.path("out.bin")
      tool("dequantize.lua", { "--type", item.type, "--in", goldens .. "dequant/" .. item.raw,
                               "--out", out, "--isa", isa })
      local found, expected = cli.read(out), cli.read(goldens .. "dequant/" .. item.f32)
      tap.equal(#found, #expected, item.type .. ": bytes")
      local worst = 0
      for at = 1, #expected, 4 do worst = math.max(worst, ulps(found, expected, at)) end
      tap.truthy(worst <= 1, item.type .. ": ulps " .. worst)
    end
  end)
end

tap.test("dequantize refuses an unknown type, half a block and an unknown ISA", function()
  local raw = goldens .. "dequant/Q4_K.weights.raw.bin"
  local out = cli.path("out.bin")
  local typo = cli.expect(3, { "dequantize.lua", "--type", "Q4_L", "--in", raw, "--out", out })
  cli.one_line(typo.err, "Q4_L")
  local half = cli.write(cli.path("half"), cli.read(raw):sub(1, 100))
  cli.one_line(cli.expect(3, { "dequantize.lua", "--type", "Q4_K", "--in", half,
                               "--out", out }).err, "144")
  local isa = cli.run { "dequantize.lua", "--type", "Q4_K", "--in", raw, "--out", out,
                        "--isa", "mmx" }
  tap.equal(isa.status, 3, "status")
  cli.one_line(isa.err, "mmx")
end)

tap.test("a tool's option that must be there is asked for by name", function()
  cli.one_line(cli.expect(3, { "tokenize.lua", "--model", cli.model }).err, "--text")
  cli.one_line(cli.expect(3, { "dequantize.lua", "--type", "Q4_K" }).err, "--in")
end)

cli.clean_up()
tap.done()

local common = require "woolly.common"
local json = require "woolly.json"
local woolly = require "woolly"

local SHOWN <const> = 24 -- rows of each list in the text; JSON has them all

local function list(rows, all, line)
  local lines = {}
  for i, row in ipairs(rows) do
    if i > SHOWN and not all then
      lines[i] = string.format("  ... %d more (--all shows them)", #rows - SHOWN)
      break
    end
    lines[i] = line(row)
  end
  return table.concat(lines, "\n")
end

return woolly.tool {
  about = "Shows a model file: metadata, tensors, sizes",
  model = true,
  params = {
    all = { default = false, help = "every row of both lists" },
    json = common.json_param,
  },
  run = function(p)
    local model <close> = woolly.model(p)
    local info, metadata, tensors = model:info(), model:metadata(), model:tensors()
    local text = string.format(
      "%s: %s, %s, %.1f M parameters, %.1f MB\n%d layers, %d wide, %d heads (%d KV), %d tokens"
      .. "\n\nmetadata (%d)\n%s\n\ntensors (%d)\n%s",
      info.name, info.arch, info.type, info.n_params / 1e6, info.file_bytes / 1e6, info.n_layer,
      info.n_embd, info.n_head, info.n_head_kv, info.n_vocab, #metadata,
      list(metadata, p.all, function(entry)
        local value = tostring(entry.value):gsub("%c", " "):sub(1, 60)
        return string.format("  %-44s %-8s %s", entry.key, entry.type, value)
      end), #tensors,
      list(tensors, p.all, function(tensor)
        return string.format("  %-32s %-6s %-18s %12d bytes", tensor.name, tensor.type,
                             table.concat(tensor.shape, " x "), tensor.bytes)
      end))
    common.print(p, { model = info, metadata = json.array(metadata),
                      tensors = json.array(tensors) }, text)
  end,
}

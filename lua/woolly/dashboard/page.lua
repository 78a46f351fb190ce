--- One HTML file around the data: its own script, style and policy, nothing from elsewhere. Pure.
local page = {}

local ALPHABET <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Base64 of hexadecimal digits, as a policy names a hash.
---@param hex string
---@return string
function page.base64(hex)
  local out = {}
  local bytes = hex:gsub("%x%x", function(two) return string.char(tonumber(two, 16)) end)
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    for k = 0, 3 do
      local at = n >> (18 - 6 * k) & 63
      out[#out + 1] = (k == 2 and not b or k == 3 and not c) and "=" or ALPHABET:sub(at + 1, at + 1)
    end
  end
  return table.concat(out)
end

--- JSON that ends no script element and opens no comment.
---@param json string
---@return string
function page.inert(json)
  return (json:gsub("<", "\\u003c"):gsub("\u{2028}", "\\u2028"):gsub("\u{2029}", "\\u2029"))
end

local ENTITIES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
                           ["'"] = "&#39;" }

--- Text for an element or a quoted attribute.
---@param text any
---@return string
function page.escape(text)
  return (tostring(text):gsub("[&<>\"']", ENTITIES):gsub("[%z\1-\8\11\12\14-\31\127]", "\u{FFFD}"))
end

--- The policy: this script and this style by their hashes; pictures the page makes itself; with
--- `connect`, requests to where the page came from.
---@param assets {script_sha256: string, style_sha256: string}
---@param connect? boolean
---@return string
function page.policy(assets, connect)
  return string.format("default-src 'none'; script-src 'sha256-%s'; style-src 'sha256-%s'; "
    .. "img-src data: blob:; connect-src %s; base-uri 'none'; form-action 'none'",
    page.base64(assets.script_sha256), page.base64(assets.style_sha256),
    connect and "'self'" or "'none'")
end

--- The file.
---@param assets table    of the build: template, script, style and their hashes
---@param json string     woolly-dashboard/1
---@param options? {title?: string, live?: string}   live: URL, relative, that tells of changes
---@return string html
function page.render(assets, json, options)
  options = options or {}
  local parts = {
    POLICY = page.escape(page.policy(assets, options.live ~= nil)),
    TITLE = page.escape(options.title or "woolly-lua dashboard"),
    STYLE = assets.style, SCRIPT = assets.script, DATA = page.inert(json),
    LIVE = page.escape(options.live or ""),
  }
  return (assets.template:gsub("{{(%u+)}}", parts))
end

return page

--- Texts that break out of HTML, SVG, scripts, CSV, Markdown, XML or a terminal where they are not
--- escaped: at least 300, made of parts.
local payloads = {}

local ACTS <const> = { "alert(1)", "window.broken=1", "top.broken=1" }
local TAGS <const> = {
  "<script>%s</script>", "</script><script>%s</script>", "<ScRiPt>%s</sCrIpT>",
  "<img src=x onerror=%s>",
  "<img/src='x'onerror=%s>", "<svg onload=%s>", "<svg><script>%s</script></svg>",
  "<body onload=%s>",
  "<iframe srcdoc=\"<script>%s</script>\">", "<iframe src=javascript:%s>",
  "<a href=javascript:%s>x</a>",
  "<details open ontoggle=%s>", "<input autofocus onfocus=%s>",
  "<video><source onerror=%s></video>",
  "<math><mtext><style><img src=x onerror=%s>", "<!--<script>%s//-->",
  "<style>@import 'x';%s</style>",
  "<object data=javascript:%s>", "<link rel=stylesheet href=javascript:%s>",
  "<base href=//x/ onload=%s>",
  "<meta http-equiv=refresh content='0;url=javascript:%s'>", "<form action=javascript:%s><button>",
  "<template><img src=x onerror=%s></template>", "<noscript><img src=x onerror=%s></noscript>",
  "{{SCRIPT}}%s", "${%s}", "{{constructor.constructor('%s')()}}", "';%s//", "\";%s//", "`${%s}`",
}
  local BEFORE <const> = { "", "\">", "'>", "</title>", "</style>", "</textarea>", "--></", "]]>",
  "\\u003c/script>" }
local OTHERS <const> = {
  "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1+1", "\r=1+1", "=HYPERLINK(\"http://x\")",
  "a,b", "a\"b",
  "a\nb", "| a | b |", "[x](javascript:alert(1))", "![x](http://x/y.png)", "`code`",
  "``` \n# heading", "# heading",
  "* item", "<!-- comment", "-->", "]]>", "<![CDATA[x]]>", "<?xml version=\"1.0\"?>",
  "&lt;script&gt;", "&#60;b&#62;",
  "&x;", "%0a::error::x", "::error file=x::y", "::set-output name=x::y", "\n::add-mask::y",
  "@everyone", "#1",
  "\27[31mred", "\27]0;title\7", "\27[2J", "\155[31m", "\8\8\8", "\r\n", "\0x", "\127",
  "\u{202e}txt.exe", "\u{feff}",
  "\u{2028}alert(1)", "\255\254", "\237\160\128", "__proto__", "constructor", "toString",
  "hasOwnProperty", "</metric>",
  "a{b=\"c\"} 1\nfake_metric 2", "# HELP x y", "a\\", "\\\"", "$(touch /tmp/broken)",
  "; touch broken", "../../etc/passwd",
}

--- All of them.
---@return string[]
function payloads.all()
  local list = {}
  for i, tag in ipairs(TAGS) do
    for k, before in ipairs(BEFORE) do
      list[#list + 1] = before .. tag:format(ACTS[(i + k) % #ACTS + 1])
    end
  end
  return table.move(OTHERS, 1, #OTHERS, #list + 1, list)
end

--- What JSON and SQLite take: no NUL, valid UTF-8.
---@param text string
---@return string
function payloads.storable(text)
  return (utf8.len(text) and text or text:gsub("[\128-\255]", "?")):gsub("%z", "?")
end

return payloads

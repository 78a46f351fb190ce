local build = require "woolly.dashboard.build"
local common = require "woolly.common"
local woolly = require "woolly"

return woolly.tool {
  about = "One HTML page of all kept runs: phases, history, run details, waterfall, roofline",
  help = "The page needs no network and nothing beside it: open it from disk, mail it, keep it as\n"
    .. "an artifact. Its links carry the view. Reports of the newest runs are in it whole, of\n"
    .. "older ones the figures; runs.lua show has the rest.",
  params = {
    output = { default = "dashboard.html", help = "the file; - is standard output" },
    window = { type = "string", help = "only runs of the newest 7days, 12h, 2weeks; default: all" },
    details = { default = 1000, help = "runs whose report is read, newest first" },
    title = { default = "woolly-lua dashboard", help = "of the page" },
    live = { default = false, help = "serve it over HTTP instead; it follows the runs kept" },
    port = { default = 8090, help = "of --live; 0: a free one" },
    bind = { default = "127.0.0.1", help = "address of --live" },
    store = { default = "woolly.db", help = "where the runs are kept" },
    json = common.json_param,
  },
  run = function(p)
    if p.live then
      return build.serve(p, function(url)
        io.write("the page is at ", url, "; Ctrl-C ends it\n")
        io.flush()
      end)
    end
    local html, found = build.page(p)
    woolly.must(require("woolly.process").write_file(p.output, html))
    if p.output == "-" then return end
    local text = string.format("%d runs in %s (%.2f MB)", found.runs, p.output, #html / 1e6)
    if not found.charts then
      text = text .. "\ncharts without zoom: uPlot was not there when this program was built "
        .. "(npm ci --prefix .ci)"
    end
    common.print(p, { runs = found.runs, output = p.output, bytes = #html,
                      uplot = found.charts or nil }, text)
  end,
}

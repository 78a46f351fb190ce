// How fast a page is painted and a chart of 100,000 points panned: see dashboard_speed.lua.
import { createRequire } from "node:module"
import { readFileSync, writeFileSync } from "node:fs"
const require = createRequire(process.env.WOOLLY_NODE_MODULES + "/")
const { chromium } = require("playwright-core")
const MOST_PAINT_MS = 1000
const MOST_FRAME_MS = 50
const POINTS = 100000
const FRAMES = 61
let failed = 0
function tell(ok, text) {
  if (!ok) failed++
  console.log((ok ? "ok    " : "FAIL  ") + text)
}

const browser = await chromium.launch({ executablePath: process.env.WOOLLY_CHROMIUM || "/usr/bin/chromium",
                                        args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] })
const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
const paints = []
for (let i = 0; i < 3; i++) {
  await page.goto("about:blank")
  await page.goto("file://" + process.argv[2])
  await page.waitForSelector("html[data-ready]")
  await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length)
  paints.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime))
}
paints.sort((a, b) => a - b)
tell(paints[1] < MOST_PAINT_MS, `first paint after ${paints.map(ms => ms.toFixed(0)).join(", ")} ms, at most ${MOST_PAINT_MS}`)

// The same page with a history of so many runs: what is drawn and panned is what a user sees.
const html = readFileSync(process.argv[2], "utf8")
const place = /(<script type="application\/json" id="data">)(.*?)(<\/script>)/s
const data = JSON.parse(html.match(place)[2])
const run = data.runs[0]
const level = i => 10 + Math.sin(i / 900) + ((i * 7919) % 1000) / 1000
const all = act => Array.from({ length: POINTS }, (_, i) => act(i))
data.runs = all(i => ({ ...run, id: String(i), at: 1.7e9 + 600 * i, group: 0 }))
data.groups = [{ ...data.groups[0], trends: {}, limits: {}, series: { tokens_per_second: { at: all(i => i),
  value: all(level), low: all(i => level(i) - 0.5), high: all(i => level(i) + 0.5) } } }]
data.details = {}
const large = process.argv[2].replace(/\.html$/, "-large.html")
writeFileSync(large, html.replace(place, (_, head, _2, tail) => head + JSON.stringify(data).replace(/</g, "\\u003c") + tail))
await page.goto("file://" + large + "#history?metric=tokens_per_second")
await page.waitForSelector("html[data-ready]", { timeout: 60000 })

if (!(await page.locator(".uplot").count())) console.log("skip  panning: built without uPlot")
else {
  const times = await page.evaluate(async frames => {
    const chart = document.querySelector(".uplot")
    const canvas = chart.querySelector("canvas").getContext("2d")
    const press = key => chart.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }))
    const frame = () => new Promise(requestAnimationFrame)
    const pixels = () => canvas.getImageData(0, 0, canvas.canvas.width, canvas.canvas.height).data
    press("+")
    await frame()
    // From frame to frame while each one shows another part: what a user sees when it is dragged.
    const found = []
    const begun = pixels()
    await frame()
    for (let i = 0; i < frames; i++) {
      const start = performance.now()
      press(i % 4 < 2 ? "ArrowRight" : "ArrowLeft")
      await frame()
      found.push(performance.now() - start)
    }
    if (pixels().every((value, at) => value === begun[at])) throw new Error("nothing moved")
    return found.sort((a, b) => a - b)
  }, FRAMES)
  const at = share => times[Math.min(FRAMES - 1, Math.floor(FRAMES * share))]
  tell(at(0.95) < MOST_FRAME_MS, `${POINTS} points, half of them in view: panned in ${at(0.5).toFixed(1)} ms a frame `
    + `(p95 ${at(0.95).toFixed(1)}), at most ${MOST_FRAME_MS}`)
}
await browser.close()
process.exit(failed ? 1 : 0)

// Drives a dashboard in headless Chromium and prints TAP: node dashboard.mjs PAGE.html HOSTILE.html [PICTURES]
// Modules come from WOOLLY_NODE_MODULES; the browser from WOOLLY_CHROMIUM.
import { createRequire } from "node:module"
import { readFileSync } from "node:fs"
const require = createRequire(process.env.WOOLLY_NODE_MODULES + "/")
const { chromium } = require("playwright-core")
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8")
const [, , file, hostile, pictures] = process.argv
const PAGES = ["overview", "history", "runs", "run", "waterfall", "roofline", "profile", "latency", "ole", "machines"]
let count = 0
let failed = 0
async function test(name, act) {
  count++
  try {
    await act()
    console.log(`ok ${count} - ${name}`)
  } catch (error) {
    failed++
    console.log(`not ok ${count} - ${name}\n# ${String(error && error.stack || error).replace(/\n/g, "\n# ")}`)
  }
}
function is(found, wanted, what) {
  if (found !== wanted) throw new Error(`${what}: found ${found}, expected ${wanted}`)
}
const yes = (value, what) => { if (!value) throw new Error(what) }

const browser = await chromium.launch({ executablePath: process.env.WOOLLY_CHROMIUM,
                                        args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] })
const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, acceptDownloads: true })
const page = await context.newPage()
const errors = []
const requests = []
page.on("console", message => ["error", "warning"].includes(message.type()) && errors.push(message.text()))
page.on("pageerror", error => errors.push(error.message))
page.on("request", request => { if (!/^(data|blob):/.test(request.url())) requests.push(request.url()) })
page.on("dialog", dialog => { errors.push("dialog " + dialog.message()); dialog.dismiss() })
const url = path => "file://" + path
async function open(path, view) {
  await page.goto("about:blank")
  await page.goto(url(path) + (view || ""))
  await page.waitForSelector("html[data-ready]", { timeout: 10000 })
}
const show = view => page.evaluate(v => { location.hash = v }, view)
  .then(() => page.waitForFunction(v => document.getElementById("main").dataset.page === v.slice(1).split("?")[0], view))
async function saved(act) {
  const [download] = await Promise.all([page.waitForEvent("download", { timeout: 10000 }), act()])
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) }
}
const count_rows = () => page.locator("#count").textContent().then(text => Number(text.split(" ")[0]))
const METRIC = "#history?metric=tokens_per_second&scenario=inference_speed"

await open(file)
for (const name of PAGES) {
  await test(`the page ${name} opens from disk, without an error or a request`, async () => {
    errors.length = 0
    requests.length = 0
    await open(file, "#" + name)
    yes(await page.locator("h1").count() === 1, "one heading")
    yes(!(await page.locator("h1").textContent()).includes("cannot"), "it is drawn")
    is(errors.join("; "), "", "errors")
    yes(requests.every(one => one.startsWith(url(file))), "requests: " + requests.join(" "))
  })
}
await test("its own policy forbids every other script and every request", async () => {
  await open(file)
  const broken = await page.evaluate(async () => {
    const script = document.createElement("script")
    script.textContent = "window.broken = 1"
    document.body.append(script)
    const answer = await fetch("https://example.org/").then(() => "answered", () => "refused")
    return [window.broken, answer]
  })
  is(broken[0], undefined, "another script")
  is(broken[1], "refused", "a request")
  errors.length = 0
})
await test("filters leave the runs that they name, and the address carries them", async () => {
  await open(file, "#runs")
  const all = await count_rows()
  await page.locator(".filters summary").click()
  await page.locator("select[name=preset]").selectOption("p1")
  await page.waitForFunction(() => location.hash.includes("preset=p1"))
  const some = await count_rows()
  yes(some > 0 && some < all, `${some} of ${all}`)
  await open(file, "#runs?preset=p1")
  is(await count_rows(), some, "the same from the link")
})
await test("search finds a tag, and typing keeps the field", async () => {
  await open(file, "#runs")
  await page.keyboard.press("/")
  await page.keyboard.type("branch=main")
  await page.waitForFunction(() => location.hash.includes("q="))
  yes(await count_rows() > 0, "something")
  is(await page.evaluate(() => document.activeElement.id), "q", "focus")
})
await test("keys open pages, a run and the one before it", async () => {
  await open(file, "#overview")
  await page.keyboard.press("g")
  await page.keyboard.press("h")
  await page.waitForFunction(() => document.getElementById("main").dataset.page === "history")
  await page.keyboard.press("]")
  await page.waitForFunction(() => location.hash.startsWith("#run?"))
  const first = await page.evaluate(() => location.hash)
  await page.keyboard.press("[")
  await page.waitForFunction(before => location.hash !== before, first)
})
await test("light and dark differ, by the key and by the link", async () => {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  await open(file, "#overview")
  const light = await ground()
  await page.keyboard.press("t")
  await page.waitForFunction(() => location.hash.includes("theme=dark"))
  yes(await ground() !== light, "another colour")
  await page.emulateMedia({ colorScheme: "dark" })
  await open(file, "#overview")
  yes(await ground() !== light, "the system's wish")
  await page.emulateMedia({ colorScheme: "light" })
})
await test("a chart zooms by buttons, keys and dragging, and shows all again", async () => {
  await open(file, METRIC)
  if (!(await page.locator(".uplot").count())) return // built without uPlot
  const span = () => page.evaluate(() => document.querySelector(".uplot canvas").toDataURL())
  const whole = await span()
  await page.getByRole("button", { name: "Zoom in" }).first().click()
  await page.waitForTimeout(60)
  const near = await span()
  yes(near !== whole, "zoomed in")
  await page.locator(".uplot").first().focus()
  await page.keyboard.press("ArrowRight")
  await page.waitForTimeout(60)
  yes(await span() !== near, "moved")
  await page.keyboard.press("0")
  await page.waitForTimeout(60)
  const box = await page.locator(".u-over").first().boundingBox()
  await page.mouse.move(box.x + 60, box.y + 60)
  await page.mouse.down()
  await page.mouse.move(box.x + 260, box.y + 60, { steps: 4 })
  await page.mouse.up()
  await page.waitForTimeout(60)
  yes(await span() !== whole, "dragged")
})
await test("data is saved as CSV, the picture as PNG and SVG", async () => {
  await open(file, METRIC)
  const csv = await saved(() => page.getByRole("button", { name: /^CSV/ }).first().click())
  yes(/^run,started,tokens_per_second/.test(csv.bytes.toString()), csv.bytes.toString().slice(0, 80))
  const png = await saved(() => page.getByRole("button", { name: /^PNG/ }).first().click())
  is(png.bytes.subarray(1, 4).toString(), "PNG", "magic of " + png.name)
  const drawn = await saved(() => page.getByRole("button", { name: /^SVG/ }).first().click())
  yes(drawn.bytes.toString().startsWith("<svg") && drawn.bytes.length > 1000, "an SVG")
  const parsed = text => page.evaluate(source => new DOMParser().parseFromString(source, "image/svg+xml")
    .documentElement.nodeName, text)
  is(await parsed(drawn.bytes.toString()), "svg", "well-formed")
  if (await page.locator(".uplot").count()) { // what is zoomed is saved as it is seen
    await page.getByRole("button", { name: "Zoom in" }).first().click()
    const near = await saved(() => page.getByRole("button", { name: /^SVG/ }).first().click())
    yes(near.bytes.toString() !== drawn.bytes.toString(), "the part that is shown")
    is(await parsed(near.bytes.toString()), "svg", "well-formed, zoomed")
  }
  await show("#overview")
  const other = await saved(() => page.getByRole("button", { name: /^PNG/ }).first().click())
  is(other.bytes.subarray(1, 4).toString(), "PNG", "of an SVG")
})
await test("pages of the engine's inside draw what runs keep, and two runs' difference", async () => {
  for (const [view, least, words] of [["#waterfall", 3, "+ simd"], ["#roofline", 1, "decode p1"],
                                      ["#profile", 1, "gate_up"], ["#latency", 4, "4 users (knee)"]]) {
    await open(file, view)
    const drawn = await page.locator("figure svg").count()
    yes(drawn >= least, `${view}: ${drawn} charts`)
    const text = await page.locator("figure").allTextContents()
    yes(text.join(" ").includes(words), view + ": " + words)
    const kept = await saved(() => page.getByRole("button", { name: /^SVG/ }).first().click())
    yes(kept.bytes.length > 2000, view + ": its SVG")
  }
  await open(file, "#profile")
  const other = page.getByLabel("Compared with")
  await other.selectOption({ index: 1 })
  await other.selectOption({ index: 2 })
  await page.waitForFunction(() => document.querySelectorAll("figure svg").length === 2)
  yes((await page.locator("figure").nth(1).textContent()).includes("µs"), "differences")
})
await test("every chart has its table", async () => {
  await open(file, METRIC)
  for (const summary of await page.locator("figure details summary").all()) await summary.click()
  const figures = await page.locator("figure").count()
  yes(figures > 0, "charts")
  is(await page.locator("figure table").count() >= figures, true, "tables")
})
for (const [theme, names] of [["light", PAGES], ["dark", PAGES]]) {
  await test(`axe finds nothing serious in ${theme}`, async () => {
    const found = []
    for (const name of names) {
      await open(file, (name === "history" ? METRIC + "&" : "#" + name + "?") + "theme=" + theme)
      await page.evaluate(axe) // by the debugger: the page's policy does not hold for it
      const result = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }))
      for (const one of result.violations) {
        if (["serious", "critical"].includes(one.impact)) {
          found.push(name + ": " + one.id + " " + one.nodes.slice(0, 2).map(n => n.html.slice(0, 120)).join(" | "))
        }
      }
    }
    is(found.join("\n"), "", "violations")
  })
}
await test("on a narrow screen nothing is wider than the page", async () => {
  await page.setViewportSize({ width: 400, height: 800 })
  for (const name of ["overview", "history", "run", "roofline"]) {
    await open(file, "#" + name)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    yes(wide <= 410, name + ": " + wide)
  }
  await page.setViewportSize({ width: 1280, height: 900 })
})
await test("texts that are markup stay texts, on every page", async () => {
  errors.length = 0
  requests.length = 0
  for (const name of PAGES) {
    await open(hostile, "#" + name + (name === "runs" ? "?most=1000" : ""))
    const live = await page.evaluate(() => [window.broken, document.scripts.length, document.querySelectorAll(
      "main img, main iframe, main object, main script, main video, main form, main math, main base, main meta, "
      + "main link, [onerror], [onload], a[href^='javascript:']").length].join(" "))
    is(live, " 2 0", "on " + name)
  }
  is(errors.join("; "), "", "errors")
  yes(requests.every(one => one.startsWith(url(hostile))), "requests: " + requests.join(" "))
})
await test("no cell of a saved CSV is a formula", async () => {
  await open(hostile, "#overview")
  const ids = await page.evaluate(() => {
    const details = JSON.parse(document.getElementById("data").textContent).details
    return Object.keys(details).filter(id => (details[id].tables || {}).waterfall
      && /^[=+@\t\r-]/.test(details[id].tables.waterfall[0].name)).slice(0, 8)
  })
  yes(ids.length > 3, ids.length + " runs with a formula in them")
  for (const id of ids) {
    await open(hostile, "#waterfall?id=" + id)
    const csv = await saved(() => page.getByRole("button", { name: /^CSV/ }).first().click())
    const cells = csv.bytes.toString().split(/\r\n|,/)
    yes(cells.every(cell => /^-?[\d.e+-]*$/.test(cell) || !/^"?[=+@\t\r-]/.test(cell)), csv.bytes.toString().slice(0, 200))
  }
})
if (pictures) {
  for (const [name, view] of [["history", METRIC + "&machine=a1a1a1&preset=p2"], ["run", "#run"],
                              ["switches", "#waterfall"], ["roofline", "#roofline?theme=dark"]]) {
    await open(file, view)
    await page.screenshot({ path: `${pictures}/${name}.png` })
  }
}
await browser.close()
console.log("1.." + count)
process.exit(failed ? 1 : 0)

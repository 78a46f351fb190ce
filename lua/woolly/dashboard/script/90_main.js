// The frame: menu, search, filters, keys, light and dark, drawing the page that the address names.

const MENU = [["overview", "Overview"], ["history", "History"], ["runs", "Runs"], ["run", "Run"],
              ["waterfall", "Switches"], ["roofline", "Roofline"], ["profile", "Operations"],
              ["latency", "Latency"], ["ole", "Ole"], ["machines", "Machines"]]
// What a page asks for itself is no part of the way to another one.
const OWN_KEYS = ["id", "other", "group", "metric", "most", "threads"]
const main = document.getElementById("main")

function apply_theme(name) {
  if (name) document.documentElement.setAttribute("data-theme", name)
  else document.documentElement.removeAttribute("data-theme")
}
function is_dark() {
  const chosen = document.documentElement.getAttribute("data-theme")
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches
}

const forget = Object.fromEntries(OWN_KEYS.map(key => [key, null]))

function filter_select(name) {
  const values = [...new Set(data.runs.flatMap(run => facet(run, name)))].sort()
  const chosen = read_view().query.get(name) || ""
  if (values.length < 2 && !chosen) return null
  return el("label", null, name + " ", el("select", { name,
    onchange: event => go(read_view().page, { [name]: event.target.value, most: null, group: null }) },
    el("option", { value: "" }, "all"),
    values.map(value => el("option", { value, selected: value === chosen }, value))))
}

let searching = null
function draw_head(view) {
  const search = el("input", { type: "search", id: "q", value: view.query.get("q") || "", placeholder: "search ( / )",
    "aria-label": "Search runs", oninput: event => {
      clearTimeout(searching)
      const value = event.target.value
      searching = setTimeout(() => history.replaceState(null, "", address(
        ["overview", "run"].includes(read_view().page) ? "runs" : read_view().page, { q: value, most: null })) || draw(), 150)
    } })
  const chosen = FILTERS.filter(name => view.query.get(name))
  const filters = el("details", { class: "filters", open: chosen.length > 0 || filters_open,
    ontoggle: event => { filters_open = event.target.open } },
    el("summary", null, "Filter" + (chosen.length ? " (" + chosen.length + ")" : "")),
    FILTERS.map(filter_select), chosen.length > 0 && link(view.page, Object.fromEntries(
      FILTERS.map(name => [name, null])), "no filter"))
  document.getElementById("head").replaceChildren(
    el("div", { class: "brand" }, document.title),
    el("nav", { "aria-label": "Pages" }, el("ul", null, MENU.map(([page, text]) => el("li", null,
      set_all(link(page, forget, text), { "aria-current": page === view.page ? "page" : null }))))),
    el("div", { class: "tools" }, search, filters, el("button", { type: "button", id: "theme", onclick: () => {
      const theme = is_dark() ? "light" : "dark"
      go(view.page, { theme })
    } }, is_dark() ? "light" : "dark")))
}
let filters_open = false

function draw() {
  const view = read_view()
  apply_theme(view.query.get("theme"))
  const had = document.activeElement && document.activeElement.id === "q"
    ? document.activeElement.selectionStart : null
  for (const { chart } of charts) chart.destroy()
  charts = []
  draw_head(view)
  let parts
  try {
    parts = (own(pages, view.page) || (() => [el("h1", null, "No such page"), link("overview", {}, "Overview")]))()
  } catch (error) {
    parts = [el("h1", null, "This page cannot be drawn"), el("p", null, String(error && error.message))]
    console.error(error)
  }
  main.replaceChildren()
  put(main, parts)
  settle()
  if (had !== null) {
    const search = document.getElementById("q")
    search.focus()
    search.setSelectionRange(had, had)
  }
  main.setAttribute("data-page", view.page)
}

function draw_foot() {
  const facts = data.facts
  put(document.getElementById("foot"), [el("p", { class: "muted" }, "made " + String(facts.made || "").slice(0, 16).replace("T", " ")
    + " UTC by woolly-lua " + facts.version + (facts.commit ? " (" + facts.commit + ")" : "") + " from " + facts.store
    + (facts.window ? ", window " + facts.window : "") + ": " + data.runs.length + " runs. Keys: / searches, g and a letter "
    + "opens a page (o h r l m by their names, s switches, f roofline, p operations, e Ole), t changes light and dark, [ and ] go from run to run.")])
}

let went = false
const KEYS = { o: "overview", h: "history", r: "runs", w: "waterfall", f: "roofline", p: "profile", l: "latency",
               e: "ole", m: "machines", s: "waterfall" }
addEventListener("keydown", event => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)
  if (event.key === "Escape" && typing) event.target.blur()
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === "/") {
    document.getElementById("q").focus()
    event.preventDefault()
  } else if (event.key === "t") document.getElementById("theme").click()
  else if (event.key === "g") went = true
  else if (went && KEYS[event.key]) {
    went = false
    go(KEYS[event.key], forget)
  } else if (event.key === "[" || event.key === "]") {
    const runs = wanted_runs()
    const at = runs.findIndex(run => run.id === read_view().query.get("id"))
    const next = runs[at < 0 ? runs.length - 1 : at + (event.key === "]" ? 1 : -1)]
    if (next) go("run", { id: next.id })
  } else went = false
})

// A live page asks whether there is more, and starts again from the address that it shows.
function live(url) {
  const line = el("p", { class: "live", role: "status" }, "live: new runs appear by themselves")
  document.getElementById("foot").prepend(line)
  const ask = () => fetch(url).then(answer => answer.json()).then(told => {
    if (told.stamp && told.stamp !== data.facts.stamp) location.reload()
    line.textContent = told.text ? "running: " + told.text : "live: new runs appear by themselves"
  }, () => { line.textContent = "the program that serves this page is not there any more" })
  setInterval(ask, 2000)
}

let resized = null
addEventListener("resize", () => {
  clearTimeout(resized)
  resized = setTimeout(() => charts.forEach(({ chart, place }) =>
    chart.setSize({ width: Math.max(300, place.clientWidth), height: 320 })), 100)
})
addEventListener("hashchange", () => {
  draw()
  if (document.activeElement === document.body) main.focus({ preventScroll: true })
})
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw)
draw_foot()
draw()
if (document.body.dataset.live) live(document.body.dataset.live)
document.documentElement.setAttribute("data-ready", "yes")

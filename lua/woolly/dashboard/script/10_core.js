// Words of the page: elements, figures, the view in the address. Text goes in as text nodes only:
// nothing that a run holds is ever read as markup.
const SVG_NS = "http://www.w3.org/2000/svg"

function put(node, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue
    node.append(child instanceof Node ? child : document.createTextNode(String(child)))
  }
  return node
}

function set_all(node, attributes) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? "" : String(value))
  }
  return node
}

const el = (tag, attributes, ...children) =>
  put(set_all(document.createElement(tag), attributes), children)
const svg = (tag, attributes, ...children) =>
  put(set_all(document.createElementNS(SVG_NS, tag), attributes), children)

// ---- figures as text ----

function number(value) {
  if (value === null || value === undefined) return ""
  if (typeof value !== "number") return String(value)
  const size = Math.abs(value)
  if (value === 0) return "0"
  if (size >= 1e7 || size < 1e-4) return value.toExponential(2)
  if (Number.isInteger(value) && size < 1e7) return String(value)
  return String(Number(value.toPrecision(4)))
}
const with_unit = (value, metric) =>
  number(value) + (value !== null && value !== undefined && metric && metric.unit
    ? " " + metric.unit : "")
const percent = share =>
  share === null || share === undefined ? "from 0" : (share > 0 ? "+" : "") + (100 * share).toFixed(1) + " %"
const date = seconds => new Date(seconds * 1000).toISOString().slice(0, 10)
const moment = seconds => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")
const BOUND = { min: "≥", max: "≤", equals: "=" }
const limit_text = limit => BOUND[limit.bound] + " " + number(limit.limit)
  + (limit.stat && limit.stat !== "median" ? " (" + limit.stat + ")" : "")

// Mark and word: nobody has to tell colours apart.
const VERDICTS = { pass: ["✓", "pass"], fail: ["✗", "FAIL"], inconclusive: ["?", "open"],
                   missing: ["–", "miss"] }
function verdict(value) {
  const found = VERDICTS[value]
  if (!found) return el("span", { class: "muted" }, "no gate")
  return el("span", { class: "verdict " + value },
            el("span", { "aria-hidden": "true" }, found[0] + " "), found[1])
}

// ---- the data ----

const data = JSON.parse(document.getElementById("data").textContent)
// What came from a program keeps its own names: a run called "constructor" is no function.
const own = (table, key) =>
  table && Object.prototype.hasOwnProperty.call(table, key) ? table[key] : undefined
const metric_of = name => own(data.metrics, name) || { unit: "", better: "target", text: "" }
const machine_name = index => {
  const found = data.machines[index]
  return found ? String(found.fingerprint || "?").slice(0, 6) : "none"
}
const model_name = index => {
  const found = data.models[index]
  return found ? String(found.name || found.sha256 || "?") : "no model"
}
const detail_of = run => own(data.details, run.id)
const group_of = run => data.groups[run.group] || { series: {}, trends: {} }
const group_name = group => group.scenario + (group.preset ? " " + group.preset : "")

// ---- the view, in the address: #page?key=value&... ----

function read_view() {
  const text = location.hash.replace(/^#\/?/, "")
  const [name, query] = [text.split("?")[0], text.split("?").slice(1).join("?")]
  return { page: name || "overview", query: new URLSearchParams(query || "") }
}
function address(page, changes, keep) {
  const query = keep === false ? new URLSearchParams() : new URLSearchParams(read_view().query)
  for (const [key, value] of Object.entries(changes || {})) {
    if (value === null || value === undefined || value === "") query.delete(key)
    else query.set(key, value)
  }
  const text = query.toString()
  return "#" + page + (text ? "?" + text : "")
}
function go(page, changes) {
  location.hash = address(page, changes)
}
const link = (page, changes, ...text) => el("a", { href: address(page, changes) }, ...text)

function say(text) {
  document.getElementById("said").textContent = text
}

// ---- filters ----

const FILTERS = ["scenario", "preset", "machine", "model", "target", "tag", "verdict"]

function tags_of(run) {
  return Object.entries(run.tags || {}).map(([key, value]) => key + "=" + value)
}
function facet(run, name) {
  const group = group_of(run)
  if (name === "machine") return [machine_name(group.machine)]
  if (name === "model") return [model_name(group.model)]
  if (name === "tag") return tags_of(run)
  if (name === "verdict") return [run.verdict || "none"]
  return [group[name] || "none"]
}
function text_of(run) {
  const group = group_of(run)
  if (!run.text) {
    run.text = [run.id, group.scenario, group.preset, group.target, machine_name(group.machine),
                model_name(group.model), run.commit, run.verdict, moment(run.at), ...tags_of(run)]
      .join(" ").toLowerCase()
  }
  return run.text
}
function wanted_runs() {
  const query = read_view().query
  const words = (query.get("q") || "").toLowerCase().split(/\s+/).filter(Boolean)
  const chosen = FILTERS.filter(name => query.get(name))
  return data.runs.filter(run =>
    chosen.every(name => facet(run, name).includes(query.get(name)))
    && words.every(word => text_of(run).includes(word)))
}
// Groups that have a wanted run, the newest first, each with the runs that are wanted.
function wanted_groups() {
  const by_group = new Map()
  for (const run of wanted_runs()) {
    if (!by_group.has(run.group)) by_group.set(run.group, new Set())
    by_group.get(run.group).add(run)
  }
  return [...by_group.keys()].filter(index => data.groups[index]).sort((a, b) => a - b)
    .map(index => ({ index, group: data.groups[index], runs: by_group.get(index) }))
}

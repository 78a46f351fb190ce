// A figure: heading, chart, the same as a table, and buttons that save either.

function csv_text(columns, rows) {
  const cell = value => {
    let text = value === null || value === undefined ? "" : String(value)
    // A spreadsheet must not take text for a formula.
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = "'" + text
    return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text
  }
  return [columns, ...rows].map(row => row.map(cell).join(",")).join("\r\n") + "\r\n"
}

function save(name, blob) {
  const url = URL.createObjectURL(blob)
  el("a", { href: url, download: name.replace(/[^\w.-]+/g, "_") }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10000)
  say("Saved " + name)
}

// Presentation that a style sheet gives is lost outside of the page: it is written into the copy.
const COPIED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-family",
                "opacity", "text-anchor", "paint-order"]
function svg_text(node) {
  const copy = node.cloneNode(true)
  const from = [node, ...node.querySelectorAll("*")]
  const into = [copy, ...copy.querySelectorAll("*")]
  from.forEach((element, i) => {
    const style = getComputedStyle(element)
    for (const name of COPIED) {
      if (style.getPropertyValue(name)) into[i].setAttribute(name, style.getPropertyValue(name))
    }
    into[i].removeAttribute("class")
  })
  const box = node.viewBox.baseVal
  set_all(copy, { xmlns: SVG_NS, width: box.width, height: box.height })
  copy.prepend(svg("rect", { width: box.width, height: box.height,
                             fill: getComputedStyle(document.body).backgroundColor }))
  return new XMLSerializer().serializeToString(copy)
}

function save_png(name, chart) {
  const canvas = chart.querySelector("canvas")
  const done = from => from.toBlob(blob => save(name, blob), "image/png")
  if (canvas) {
    const copy = el("canvas", { width: canvas.width, height: canvas.height })
    const context = copy.getContext("2d")
    context.fillStyle = getComputedStyle(document.body).backgroundColor
    context.fillRect(0, 0, copy.width, copy.height)
    context.drawImage(canvas, 0, 0)
    return done(copy)
  }
  const node = chart.querySelector("svg")
  const picture = new Image()
  picture.onload = () => {
    const box = node.viewBox.baseVal
    const copy = el("canvas", { width: 2 * box.width, height: 2 * box.height })
    copy.getContext("2d").drawImage(picture, 0, 0, copy.width, copy.height)
    done(copy)
  }
  picture.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg_text(node))
}

// columns: names, or {name, text} with a function that makes a cell of a row's value.
function table(caption, columns, rows, options) {
  options = options || {}
  const body = el("tbody")
  const head = columns.map((column, i) => el("th", { scope: "col" }, options.sort
    ? el("button", { type: "button", class: "sort", onclick: () => sort_by(i) }, column)
    : column))
  let up = 1
  let last = -1
  const plain = cell => cell && typeof cell === "object" && "sort" in cell ? cell.sort : cell
  const shown = cell => cell && typeof cell === "object" && "show" in cell ? cell.show : cell
  function fill() {
    body.replaceChildren(...rows.map(row => el("tr", null, row.map((cell, i) => {
      const value = shown(cell)
      const right = typeof value === "number"
      const text = right ? number(value) : value
      return i === 0 ? el("th", { scope: "row" }, text)
        : el("td", { class: right ? "right" : null }, text)
    }))))
  }
  function sort_by(i) {
    up = i === last ? -up : 1
    last = i
    rows.sort((a, b) => {
      const [x, y] = [plain(a[i]), plain(b[i])]
      if (typeof x === "number" && typeof y === "number") return up * (x - y)
      const text = v => v instanceof Node ? v.textContent : v === null || v === undefined ? "" : String(v)
      return up * text(x).localeCompare(text(y), undefined, { numeric: true })
    })
    head.forEach((cell, k) => cell.setAttribute("aria-sort",
      k !== i ? "none" : up > 0 ? "ascending" : "descending"))
    fill()
  }
  fill()
  return el("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
            el("table", null, el("caption", { class: options.caption ? null : "unseen" }, caption),
               el("thead", null, el("tr", null, head)), body))
}

const cell_text = cell => {
  if (cell && typeof cell === "object" && "sort" in cell) return cell.sort
  return cell instanceof Node ? cell.textContent : cell
}

// chart: an element with an SVG or a canvas, or a function that makes it once it is in the page.
function figure(title, chart, columns, rows, options) {
  options = options || {}
  const place = el("div", { class: "chart" })
  const name = (options.file || title).slice(0, 80)
  const details = el("details", { class: "behind" }, el("summary", null, "Table of " + title))
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) {
      details.append(table(title, columns, rows.map(row => row.slice())))
    }
  })
  const button = (text, act) => el("button", { type: "button", onclick: act,
    "aria-label": text + " of " + title }, text)
  const node = el("figure", { class: options.class || null },
    el("figcaption", null, options.level === 3 ? el("h3", null, title) : el("h2", null, title),
       options.note && el("p", { class: "muted" }, options.note)),
    place,
    el("div", { class: "tools" }, options.tools,
       button("CSV", () => save(name + ".csv",
         new Blob([csv_text(columns, rows.map(row => row.map(cell_text)))], { type: "text/csv" }))),
       button("PNG", () => save_png(name + ".png", place)),
       button("SVG", () => save(name + ".svg", new Blob([svg_text(
         place.querySelector("svg") || options.svg())], { type: "image/svg+xml" })))),
    details)
  if (typeof chart === "function") later(() => place.append(chart(place)))
  else place.append(chart)
  return node
}

// What needs its place in the page to know its size.
const waiting = []
function later(act) { waiting.push(act) }
function settle() { while (waiting.length) waiting.shift()() }

// Charts in SVG: axes, lines, bands, bars, points.

function nice_steps(low, high, most) {
  const rough = (high - low) / Math.max(1, most)
  if (!(rough > 0)) return [low]
  const power = Math.pow(10, Math.floor(Math.log10(rough)))
  const step = [1, 2, 5, 10].map(n => n * power).find(n => n >= rough * 0.999)
  const out = []
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) {
    out.push(Math.abs(at) < step * 1e-9 ? 0 : Number(at.toPrecision(12)))
  }
  return out
}
function log_steps(low, high) {
  const out = []
  const decades = Math.log10(high / low)
  for (let p = Math.floor(Math.log10(low)); p <= Math.ceil(Math.log10(high)); p++) {
    for (const n of decades > 3 ? [1] : decades > 1.2 ? [1, 3] : [1, 2, 5]) {
      const at = n * Math.pow(10, p)
      if (at >= low * 0.999 && at <= high * 1.001) out.push(at)
    }
  }
  return out
}

// A frame with scales: plot({x: {low, high, log, title, steps, text}, y: {...}, height}).
function plot(spec) {
  const width = spec.width || 760
  const height = spec.height || 300
  const margin = { left: 64, right: 16, top: 12, bottom: 42, ...spec.margin }
  const root = svg("svg", { viewBox: "0 0 " + width + " " + height, role: "img",
                            "aria-label": spec.label, class: "plot" })
  const scale = (axis, from, to) => {
    const f = axis.log ? Math.log10 : value => value
    const [low, high] = [f(axis.low), f(axis.high)]
    return value => from + (f(value) - low) / (high - low || 1) * (to - from)
  }
  const x = scale(spec.x, margin.left, width - margin.right)
  const y = scale(spec.y, height - margin.bottom, margin.top)
  const add = node => (root.append(node), node)
  const text = (at_x, at_y, anchor, value, extra) => svg("text", { x: at_x, y: at_y,
    "text-anchor": anchor, class: "label", ...extra }, value)
  const steps = (axis, most) => axis.steps
    || (axis.log ? log_steps(axis.low, axis.high) : nice_steps(axis.low, axis.high, most))
  for (const at of steps(spec.y, 5)) {
    add(svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: y(at), y2: y(at) }))
    add(text(margin.left - 6, y(at) + 4, "end", (spec.y.text || number)(at)))
  }
  for (const at of steps(spec.x, 8)) {
    add(svg("line", { class: "tick", x1: x(at), x2: x(at), y1: height - margin.bottom,
                      y2: height - margin.bottom + 4 }))
    add(text(x(at), height - margin.bottom + 18, "middle", (spec.x.text || number)(at)))
  }
  add(svg("line", { class: "axis", x1: margin.left, x2: width - margin.right,
                    y1: height - margin.bottom, y2: height - margin.bottom }))
  if (spec.x.title) add(text((margin.left + width - margin.right) / 2, height - 6, "middle", spec.x.title))
  if (spec.y.title) add(text(0, 0, "middle", spec.y.title, {
    transform: "translate(14 " + (margin.top + height - margin.bottom) / 2 + ") rotate(-90)" }))
  const path = (points, close) => points.map((p, i) => (i ? "L" : "M") + x(p[0]).toFixed(1) + " "
    + y(p[1]).toFixed(1)).join("") + (close ? "Z" : "")
  const titled = (node, title) => (title && node.append(svg("title", null, title)), add(node))
  return {
    root, x, y, width, height, margin, add, text,
    line: (points, kind, title) => titled(svg("path", { class: "line " + (kind || ""), fill: "none",
      d: path(points) }), title),
    band: (points, kind) => add(svg("path", { class: "band " + (kind || ""), d: path(
      [...points.map(p => [p[0], p[1]]), ...points.map(p => [p[0], p[2]]).reverse()], true) })),
    dot: (at, kind, title, shape) => titled(shape === "square"
      ? svg("rect", { class: "dot " + (kind || ""), x: x(at[0]) - 4, y: y(at[1]) - 4, width: 8, height: 8 })
      : shape === "triangle"
        ? svg("path", { class: "dot " + (kind || ""), d: "M" + x(at[0]) + " " + (y(at[1]) - 5)
          + "l5 9h-10z" })
        : svg("circle", { class: "dot " + (kind || ""), cx: x(at[0]), cy: y(at[1]), r: 4 }), title),
    bar: (x1, x2, y1, y2, kind, title) => titled(svg("rect", { class: "bar " + (kind || ""),
      x: Math.min(x(x1), x(x2)), y: Math.min(y(y1), y(y2)), width: Math.max(1, Math.abs(x(x2) - x(x1))),
      height: Math.max(1, Math.abs(y(y2) - y(y1))) }), title),
    level: (value, kind, title) => {
      if (!(value >= spec.y.low && value <= spec.y.high)) return
      add(svg("line", { class: "level " + kind, x1: margin.left, x2: width - margin.right,
                        y1: y(value), y2: y(value) }))
      add(text(width - margin.right - 2, y(value) - 4, "end", title))
    },
  }
}

function range(values, options) {
  options = options || {}
  const known = values.filter(value => typeof value === "number" && isFinite(value)
    && (!options.log || value > 0))
  if (!known.length) return { low: options.log ? 0.1 : 0, high: 1, log: options.log }
  let low = known.reduce((a, b) => Math.min(a, b))
  let high = known.reduce((a, b) => Math.max(a, b))
  if (options.zero) low = Math.min(0, low)
  if (options.log) return { low: low / 1.3, high: high * 1.3, log: true }
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1
  return { low: options.zero && low >= 0 ? 0 : low - room, high: high + room }
}

// Horizontal bars with names: rows of {name, from?, to, low?, high?, kind?, text, title?}.
function bars(label, rows, options) {
  options = options || {}
  const left = options.left || 210
  const axis = range(rows.flatMap(row => [row.from, row.to, row.low, row.high]).concat(
    options.log ? [] : [0]), { log: options.log })
  if (!options.log && axis.low > -1e-9) axis.low = 0
  const frame = plot({ label, width: 760, height: 60 + 26 * rows.length,
    margin: { left, right: 120 }, x: { ...axis, title: options.title },
    y: { low: rows.length, high: 0, steps: [] } })
  rows.forEach((row, i) => {
    frame.add(frame.text(left - 8, frame.y(i + 0.5) + 4, "end",
      row.name.length > 34 ? row.name.slice(0, 33) + "…" : row.name))
    const from = row.from !== undefined ? row.from : options.log ? axis.low : 0
    frame.bar(from, row.to, i + 0.2, i + 0.8, row.kind, row.title || row.name + ": " + row.text)
    if (typeof row.low === "number" && typeof row.high === "number") {
      frame.line([[Math.max(row.low, axis.low), i + 0.5], [row.high, i + 0.5]], "whisker")
    }
    frame.add(frame.text(Math.max(frame.x(row.to), frame.x(from),
      typeof row.high === "number" ? frame.x(row.high) : 0) + 6, frame.y(i + 0.5) + 4, "start", row.text))
  })
  return frame.root
}

function spark(values, label) {
  if (values.length < 2) return el("span", { class: "muted" }, "one run")
  const kept = values.length > 200 ? values.filter((_, i) => i % Math.ceil(values.length / 200) === 0) : values
  const axis = range(kept)
  const x = i => 2 + i / (kept.length - 1) * 116
  const y = value => 22 - (value - axis.low) / (axis.high - axis.low || 1) * 20
  return svg("svg", { class: "spark", viewBox: "0 0 120 24", role: "img", "aria-label": label },
    svg("path", { class: "line", fill: "none",
      d: kept.map((value, i) => (i ? "L" : "M") + x(i).toFixed(1) + " " + y(value).toFixed(1)).join("") }),
    svg("circle", { class: "dot", cx: x(kept.length - 1), cy: y(kept[kept.length - 1]), r: 2 }))
}

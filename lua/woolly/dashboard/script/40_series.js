// The history of one metric: line, band of intervals, change points, the segment that is the
// baseline, limits. uPlot draws it where the build had it, SVG otherwise and for export.

const color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim()

function series_points(series) {
  return series.at.map((at, i) => ({ run: data.runs[at], value: series.value[i],
    low: series.low ? series.low[i] : null, high: series.high ? series.high[i] : null }))
}

function series_svg(name, points, trend, limit) {
  const metric = metric_of(name)
  const all = points.flatMap(p => [p.value, p.low, p.high])
  if (limit && near(limit.limit, all)) all.push(limit.limit)
  const last = points.length - 1
  const frame = plot({ label: series_label(name, points, trend, limit),
    x: { low: 0, high: Math.max(1, last), steps: nice_steps(0, Math.max(1, last), 6).filter(Number.isInteger),
         text: i => points[i] ? date(points[i].run.at) : "", title: "runs, oldest first" },
    y: { ...range(all), title: metric.unit || name } })
  if (trend && trend.segment && !trend.reason && last > 0) {
    frame.add(svg("rect", { class: "segment", x: frame.x(Math.max(0, last + 1 - trend.segment)),
      y: frame.margin.top, width: frame.x(last) - frame.x(Math.max(0, last + 1 - trend.segment)),
      height: frame.height - frame.margin.top - frame.margin.bottom }))
  }
  const banded = points.map((p, i) => [i, p.low, p.high]).filter(p => p[1] !== null)
  if (banded.length > 1) frame.band(banded)
  frame.line(points.map((p, i) => [i, p.value]))
  if (points.length <= 150) {
    points.forEach((p, i) => frame.dot([i, p.value], p.run.disturbed ? "disturbed" : "",
      moment(p.run.at) + ": " + with_unit(p.value, metric), p.run.disturbed ? "triangle" : ""))
  }
  for (const point of (trend && trend.points) || []) {
    frame.add(svg("line", { class: "change " + (point.better ? "better" : "worse")
      + (point.vote === "confirmed" ? "" : " weak"), x1: frame.x(point.at), x2: frame.x(point.at),
      y1: frame.margin.top, y2: frame.height - frame.margin.bottom }))
    frame.add(frame.text(frame.x(point.at) + 3, frame.margin.top + 10, "start",
      (point.better ? "▲ " : "▼ ") + percent(point.change)))
  }
  if (limit) frame.level(limit.limit, "limit", "limit " + limit_text(limit))
  return frame.root
}

// A limit far off would press the series flat; the text names it then.
function near(value, values) {
  const axis = range(values)
  const span = axis.high - axis.low
  return value > axis.low - 2 * span && value < axis.high + 2 * span
}

function series_label(name, points, trend, limit) {
  const values = points.map(p => p.value)
  return name + ": " + points.length + " runs from " + number(Math.min(...values.slice(-5000))) + " to "
    + number(Math.max(...values.slice(-5000))) + ", the last " + number(values[values.length - 1])
    + (trend && trend.points && trend.points.length ? ", " + trend.points.length + " change points" : "")
    + (limit ? ", limit " + limit_text(limit) : "")
}

function overlay(u, points, trend, limit) {
  const context = u.ctx
  const { left, top, width, height } = u.bbox
  context.save()
  context.beginPath()
  context.rect(left, top, width, height)
  context.clip()
  context.textAlign = "left"
  context.font = 12 * devicePixelRatio + "px system-ui, sans-serif"
  context.lineWidth = 1.5 * devicePixelRatio
  for (const point of (trend && trend.points) || []) {
    const at = u.valToPos(point.at, "x", true)
    context.strokeStyle = context.fillStyle = color(point.better ? "better" : "worse")
    context.setLineDash(point.vote === "confirmed" ? [] : [3 * devicePixelRatio, 3 * devicePixelRatio])
    context.beginPath()
    context.moveTo(at, top)
    context.lineTo(at, top + height)
    context.stroke()
    context.fillText((point.better ? "▲ " : "▼ ") + percent(point.change), at + 4, top + 14 * devicePixelRatio)
  }
  if (limit) {
    const at = u.valToPos(limit.limit, "y", true)
    context.strokeStyle = context.fillStyle = color("limit")
    context.setLineDash([8 * devicePixelRatio, 4 * devicePixelRatio])
    context.beginPath()
    context.moveTo(left, at)
    context.lineTo(left + width, at)
    context.stroke()
    context.textAlign = "right"
    context.fillText("limit " + limit_text(limit), left + width - 4, at - 4 * devicePixelRatio)
  }
  context.restore()
}

function series_uplot(place, name, points, trend, limit) {
  const metric = metric_of(name)
  const xs = points.map((_, i) => i)
  const values = points.map(p => p.value)
  const lows = points.map(p => p.low)
  const highs = points.map(p => p.high)
  const shown = limit && near(limit.limit, values) ? [limit.limit] : []
  const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 },
                 ticks: { stroke: color("line"), width: 1 } }
  const last = points.length - 1
  const chart = new uPlot({
    width: Math.max(300, place.clientWidth), height: 320,
    cursor: { drag: { x: true, y: false, setScale: true } },
    legend: { live: true },
    scales: {
      x: { time: false, range: (u, low, high) => low === high ? [low - 1, high + 1] : [low, high] },
      y: { range: (u, low, high) => {
        const found = range([low, high, ...shown])
        return [found.low, found.high]
      } },
    },
    axes: [
      { ...axis, space: 90, values: (u, steps) => steps.map(i => points[i] ? date(points[i].run.at) : "") },
      { ...axis, size: 70, label: metric.unit || name, values: (u, steps) => steps.map(number) },
    ],
    series: [
      { label: "run", value: (u, i) => points[i] ? moment(points[i].run.at) : "–" },
      { label: "median", stroke: color("series"), width: 1.5, points: { show: points.length <= 150, size: 6 },
        value: (u, value) => with_unit(value, metric) },
      { label: "low", stroke: "transparent", points: { show: false }, value: (u, value) => number(value) },
      { label: "high", stroke: "transparent", points: { show: false }, value: (u, value) => number(value) },
    ],
    bands: [{ series: [3, 2], fill: color("band") }],
    hooks: {
      drawClear: [u => {
        if (!trend || !trend.segment || trend.reason || last < 1) return
        const from = u.valToPos(Math.max(0, last + 1 - trend.segment), "x", true)
        const to = u.valToPos(last, "x", true)
        u.ctx.save()
        u.ctx.beginPath()
        u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height)
        u.ctx.clip()
        u.ctx.fillStyle = color("segment")
        u.ctx.fillRect(from, u.bbox.top, to - from, u.bbox.height)
        u.ctx.restore()
      }],
      draw: [u => overlay(u, points, trend, limit)],
    },
  }, [xs, values, lows, highs], place)
  const limits = () => [chart.scales.x.min, chart.scales.x.max]
  const show = (low, high) => {
    const span = Math.min(high - low, Math.max(1, last))
    const from = Math.max(0, Math.min(low, last - span))
    chart.setScale("x", { min: from, max: from + span })
  }
  const act = {
    zoom: factor => {
      const [low, high] = limits()
      const [middle, half] = [(low + high) / 2, (high - low) / 2 * factor]
      show(middle - half, middle + half)
    },
    pan: share => {
      const [low, high] = limits()
      show(low + (high - low) * share, high + (high - low) * share)
    },
    all: () => chart.setScale("x", { min: 0, max: Math.max(1, last) }),
  }
  set_all(chart.root, { tabindex: "0", role: "img", "aria-label": series_label(name, points, trend, limit)
    + ". Arrow keys move, plus and minus zoom, 0 shows all" })
  chart.root.addEventListener("keydown", event => {
    const keys = { ArrowLeft: () => act.pan(-0.2), ArrowRight: () => act.pan(0.2), "+": () => act.zoom(0.5),
                   "=": () => act.zoom(0.5), "-": () => act.zoom(2), 0: act.all }
    if (!keys[event.key]) return
    keys[event.key]()
    event.preventDefault()
    event.stopPropagation()
  })
  chart.over.addEventListener("click", () => {
    const found = points[chart.cursor.idx]
    if (found && chart.select.width === 0) go("run", { id: found.run.id })
  })
  chart.act = act
  charts.push({ chart, place })
  return chart
}

let charts = [] // of the page that is shown

function series_figure(name, group, wanted) {
  const series = own(group.series, name)
  const trend = own(group.trends, name)
  const limit = own(group.limits, name)
  // Filtered runs are left out; the marks of what was found in all of them would be misplaced then.
  const all = series_points(series)
  const points = all.filter(p => wanted.has(p.run))
  const whole = points.length === all.length
  const shown = whole ? trend : undefined
  const columns = ["run", "started", name + " (" + (metric_of(name).unit || "1") + ")", "low", "high",
                   "commit", "verdict", "disturbed"]
  const rows = points.map(p => [link("run", { id: p.run.id }, p.run.id), moment(p.run.at), p.value,
    p.low, p.high, p.run.commit || "", p.run.verdict || "", p.run.disturbed ? "yes" : ""])
  let chart = null
  const button = (text, label, act) => el("button", { type: "button", "aria-label": label, onclick: act }, text)
  const zooms = typeof uPlot === "undefined" ? null : [
    button("+", "Zoom in", () => chart.act.zoom(0.5)), button("−", "Zoom out", () => chart.act.zoom(2)),
    button("all", "Show all runs", () => chart.act.all())]
  return figure(name, place => {
    if (typeof uPlot === "undefined") return series_svg(name, points, shown, limit)
    chart = series_uplot(place, name, points, shown, limit)
    return chart.root
  }, columns, rows, { tools: zooms, level: 3, note: metric_of(name).text,
                      file: group_name(group) + "_" + name,
                      svg: () => {
                        const node = series_svg(name, points, shown, limit)
                        const hidden = el("div", { class: "unseen" }, node)
                        document.body.append(hidden)
                        setTimeout(() => hidden.remove(), 0)
                        return node
                      } })
}

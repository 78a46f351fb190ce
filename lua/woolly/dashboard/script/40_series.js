// The history of one metric: line, band of intervals, change points, the segment that is the
// baseline, limits. uPlot draws it where the build had it, SVG otherwise and for export.

const color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim()

function series_points(series) {
  return series.at.map((at, i) => ({ run: data.runs[at], value: series.value[i],
    low: series.low ? series.low[i] : null, high: series.high ? series.high[i] : null }))
}

// Under the axis stands the day of a run, or its hour where all are of one day.
const when = points => date(points[0].run.at) !== date(points[points.length - 1].run.at)
  ? point => date(point.run.at) : point => moment(point.run.at).slice(11) + " UTC"

// view: the first and the last place shown; all when not said.
function series_svg(name, points, trend, limit, view) {
  const metric = metric_of(name)
  const last = points.length - 1
  const low = view ? Math.max(0, Math.ceil(view[0])) : 0
  const high = Math.max(low + 1, view ? Math.min(last, Math.floor(view[1])) : last)
  const part = points.slice(low, high + 1)
  const under = when(points)
  const all = part.flatMap(p => [p.value, p.low, p.high])
  const with_limit = limit && near(limit.limit, all)
  if (with_limit) all.push(limit.limit)
  const frame = plot({ label: series_label(name, points, trend, limit),
    x: { low, high, steps: nice_steps(low, high, 6).filter(Number.isInteger),
         text: i => points[i] ? under(points[i]) : "", title: "runs, oldest first" },
    y: { ...range(all), title: metric.unit || name } })
  const segment = trend && trend.segment && !trend.reason ? Math.max(low, last + 1 - trend.segment) : high
  if (segment < high) {
    frame.add(svg("rect", { class: "segment", x: frame.x(segment), y: frame.margin.top,
      width: frame.x(high) - frame.x(segment),
      height: frame.height - frame.margin.top - frame.margin.bottom }))
  }
  const banded = part.map((p, i) => [low + i, p.low, p.high]).filter(p => p[1] !== null)
  if (banded.length > 1) frame.band(banded)
  frame.line(part.map((p, i) => [low + i, p.value]))
  if (part.length <= 150) {
    part.forEach((p, i) => frame.dot([low + i, p.value], p.run.disturbed ? "disturbed" : "",
      moment(p.run.at) + ": " + with_unit(p.value, metric), p.run.disturbed ? "triangle" : ""))
  }
  for (const point of ((trend && trend.points) || []).filter(p => p.at >= low && p.at <= high)) {
    frame.add(svg("line", { class: "change " + (point.better ? "better" : "worse")
      + (point.vote === "confirmed" ? "" : " weak"), x1: frame.x(point.at), x2: frame.x(point.at),
      y1: frame.margin.top, y2: frame.height - frame.margin.bottom }))
    frame.add(frame.text(frame.x(point.at) + 3, frame.margin.top + 10, "start",
      (point.better ? "▲ " : "▼ ") + percent(point.change)))
  }
  if (with_limit) frame.level(limit.limit, "limit", "limit " + limit_text(limit))
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

// Places of runs are whole numbers: no date stands between two of them.
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap(power => [1, 2, 5].map(n => n * Math.pow(10, power)))

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
  const under = when(points)
  // Below the chart stands what is under the pointer, and the last run while there is none.
  const resting = (value, of) => chart && chart.cursor.idx !== null && chart.cursor.idx !== undefined
    ? value : of[last]
  let chart = null
  chart = new uPlot({
    width: Math.max(300, place.clientWidth), height: 320,
    padding: [null, 40, null, null], // room for half of the last date
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
      { ...axis, space: 90, incrs: WHOLE_STEPS, values: (u, steps) => steps.map(i => points[i] ? under(points[i]) : "") },
      { ...axis, size: 70, label: metric.unit || name, values: (u, steps) => steps.map(number) },
    ],
    series: [
      { label: "run", value: (u, i) => moment(points[i === null ? last : i].run.at) },
      { label: "median", stroke: color("series"), width: points.length > 5000 ? 1 : 1.5, points: { show: points.length <= 150, size: 6 },
        value: (u, value) => with_unit(resting(value, values), metric) },
      { label: "low", stroke: "transparent", points: { show: false },
        value: (u, value) => number(resting(value, lows)) },
      { label: "high", stroke: "transparent", points: { show: false },
        value: (u, value) => number(resting(value, highs)) },
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
  chart.view = limits
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
                        const node = series_svg(name, points, shown, limit, chart && chart.view())
                        const hidden = el("div", { class: "unseen" }, node)
                        document.body.append(hidden)
                        setTimeout(() => hidden.remove(), 0)
                        return node
                      } })
}

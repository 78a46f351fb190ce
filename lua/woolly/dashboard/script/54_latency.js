// Distributions: histogram and percentiles of one metric of one run, and load against latency.

function quantile(sorted, share) {
  return sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1))]
}

// Of many samples the page has the quantiles 0, 1/100 ... 1 and the 99.9th percentile.
function distribution(metric) {
  if (metric.quantiles) {
    const q = metric.quantiles
    return { at: share => share >= 0.999 && share < 1 ? q[101] : q[Math.min(100, Math.round(share * 100))],
             values: q.slice(1, 101), n: metric.n }
  }
  const sorted = metric.samples.filter(value => typeof value === "number").sort((x, y) => x - y)
  return { at: share => quantile(sorted, share), values: sorted, n: sorted.length }
}

function histogram(name, spread) {
  // A single far sample must not press the others into one bar.
  const most = spread.at(0.5) + 8 * (spread.at(0.75) - spread.at(0.25))
  const high = Math.min(spread.at(1), most) + (spread.at(0.9) - spread.at(0.1)) * 0.1 || spread.at(1) || 1
  const low = Math.min(spread.at(0), high)
  const count = Math.max(5, Math.min(40, Math.ceil(Math.sqrt(spread.values.length) * 2)))
  const width = (high - low) / count || 1
  const bins = Array.from({ length: count }, (_, i) => ({ from: low + i * width, to: low + (i + 1) * width, n: 0 }))
  let beyond = 0
  for (const value of spread.values) {
    const i = Math.floor((value - low) / width)
    if (i >= count && value > high) beyond++
    else bins[Math.max(0, Math.min(count - 1, i))].n++
  }
  const total = spread.values.length
  const frame = plot({ label: "Histogram of " + name, height: 260,
    x: { low, high: low + count * width, title: name + " (" + (metric_of(name).unit || "1") + ")" },
    y: { low: 0, high: Math.max(...bins.map(bin => bin.n / total)) * 1.1 || 1, title: "share of samples" } })
  bins.forEach(bin => bin.n && frame.bar(bin.from, bin.to, 0, bin.n / total, "", number(bin.from) + " to " + number(bin.to)
    + ": " + (100 * bin.n / total).toFixed(1) + " %"))
  return figure("Histogram", frame.root, ["from", "to", "share"], bins.map(bin => [bin.from, bin.to, bin.n / total]),
    { note: spread.n + " samples" + (beyond ? "; " + (100 * beyond / total).toFixed(1) + " % lie farther to the right" : ""),
      file: name + "_histogram" })
}

const SHARES = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999]

// Equal steps to the right mean ten times rarer.
function percentiles(name, spread) {
  const known = SHARES.filter(share => spread.n * (1 - share) >= 1)
  const place = share => -Math.log10(1 - share)
  const frame = plot({ label: "Percentiles of " + name, height: 260,
    x: { low: 0, high: Math.max(1, place(known[known.length - 1] || 0.5)) * 1.05, steps: known.filter(s => s >= 0.5).map(place),
         text: at => "p" + number(Number((100 * (1 - Math.pow(10, -at))).toFixed(2))), title: "percentile" },
    y: { ...range(known.map(spread.at)), title: metric_of(name).unit || "" } })
  frame.line(known.map(share => [place(share), spread.at(share)]))
  known.forEach(share => frame.dot([place(share), spread.at(share)], "", "p" + 100 * share + ": " + number(spread.at(share))))
  return figure("Percentiles", frame.root, ["percentile", name], SHARES.map(share => ["p" + number(100 * share),
    spread.n * (1 - share) >= 1 ? spread.at(share) : "too few samples"]), { note: "percentiles that " + spread.n
    + " samples can tell", file: name + "_percentiles" })
}

// Rows of offered load against what came of it; the knee is where latency leaves its floor fastest.
const LOAD_X = ["rate", "offered_per_second", "concurrency", "requests_per_second", "streams", "users"]
const LOAD_Y = ["ttft_ms", "ttft_p95_ms", "ttft_ms_p95", "p95_ms", "latency_ms", "ttft_p95", "tpot_ms"]
function load_figures(detail) {
  const out = []
  for (const [name, rows] of Object.entries(detail.tables || {})) {
    const x = LOAD_X.find(key => rows.length > 2 && rows.every(row => typeof row[key] === "number"))
    const y = x && LOAD_Y.find(key => rows.filter(row => typeof row[key] === "number").length > 2)
    if (!y) continue
    const points = rows.filter(row => typeof row[y] === "number").map(row => [row[x], row[y]]).sort((a, b) => a[0] - b[0])
    const [first, last] = [points[0], points[points.length - 1]]
    const away = p => (p[0] - first[0]) / (last[0] - first[0] || 1) - (p[1] - first[1]) / (last[1] - first[1] || 1)
    const marked = rows.find(row => row.knee === true)
    const knee = marked ? [marked[x], marked[y]] : points.reduce((a, b) => away(b) > away(a) ? b : a)
    const frame = plot({ label: y + " over " + x, x: { ...range(points.map(p => p[0]), { zero: true }), title: x },
      y: { ...range(points.map(p => p[1]), { zero: true }), title: y } })
    frame.line(points)
    points.forEach(p => frame.dot(p, p === knee ? "expected" : "", x + " " + number(p[0]) + ": " + y + " " + number(p[1])))
    frame.add(frame.text(frame.x(knee[0]) + 8, frame.y(knee[1]) + 16, "start", "knee at " + number(knee[0])))
    out.push(figure("Load against latency: " + name, frame.root, [x, y], points))
  }
  return out
}

pages.latency = function () {
  const many = detail => detail.metrics.filter(metric => metric.n >= 20 && (metric.samples || metric.quantiles))
  const list = runs_with(detail => many(detail).length > 0 || load_figures(detail).length > 0)
  const out = [el("h1", null, "Latency")]
  if (!list.length) return [...out, el("p", null, "No run holds 20 samples of one metric: woolly-lua inference_speed.lua does.")]
  const found = chosen_of(list, "id") || list.find(one => many(one.detail).some(m => /latency|ttft|_ms$/.test(m.name))) || list[0]
  const metrics = many(found.detail)
  const wanted = read_view().query.get("metric")
  const metric = metrics.find(one => one.name === wanted) || metrics.find(one => /latency|ttft|_ms$/.test(one.name)) || metrics[0]
  out.push(el("p", null, chooser("latency", "id", list, found.run), metrics.length > 0 && el("label", null, "Metric ", el("select",
    { onchange: event => go("latency", { metric: event.target.value }) }, metrics.map(one => el("option",
      { value: one.name, selected: one === metric }, one.name))))))
  if (metric) {
    const spread = distribution(metric)
    out.push(histogram(metric.name, spread), percentiles(metric.name, spread))
  }
  return [...out, load_figures(found.detail)]
}

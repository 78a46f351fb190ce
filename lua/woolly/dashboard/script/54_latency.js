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

// Throughput against latency as the load rises: rows of load.lua's table "curve". The knee is where
// it says; more load than there buys latency and hardly a token.
const LOAD_COLUMNS = [["load", "load"], ["offered", "offered"], ["tokens_per_second", "tokens/s"],
  ["requests_per_second", "requests/s"], ["ttft_p50", "first token p50 ms"], ["ttft_p95", "first token p95 ms"],
  ["tpot_p50", "per token p50 ms"], ["tpot_p95", "per token p95 ms"], ["e2e_p50", "whole answer p50 ms"],
  ["e2e_p95", "whole answer p95 ms"], ["goodput", "good requests/s"]]

function load_chart(title, rows, low, high) {
  const known = rows.filter(row => typeof row.tokens_per_second === "number" && typeof row[low] === "number")
  if (known.length < 2) return null
  const frame = plot({ label: title, x: { ...range(known.map(row => row.tokens_per_second), { zero: true }), title: "tokens/s in all" },
    y: { ...range(known.flatMap(row => [row[low], row[high]]), { zero: true }), title: "ms" } })
  frame.line(known.map(row => [row.tokens_per_second, row[high]]), "expected", "p95")
  frame.line(known.map(row => [row.tokens_per_second, row[low]]), "", "p50")
  for (const row of known) {
    const at = [row.tokens_per_second, row[low]]
    frame.dot(at, row.knee ? "phase" : "", row.load + ": p50 " + number(row[low]) + " ms, p95 " + number(row[high]) + " ms")
    frame.dot([row.tokens_per_second, row[high]], "expected", row.load + ": p95 " + number(row[high]) + " ms", "square")
    frame.add(frame.text(frame.x(at[0]) + 7, frame.y(at[1]) + 15, "start", row.load + (row.knee ? " (knee)" : "")))
  }
  return figure(title, frame.root, LOAD_COLUMNS.map(column => column[1]),
    rows.map(row => LOAD_COLUMNS.map(column => own(row, column[0]))), { note: "circles: p50; squares: p95; along the line the load rises" })
}

function load_figures(detail) {
  const rows = rows_of(detail, "curve")
  return [load_chart("Throughput against latency: whole answer", rows, "e2e_p50", "e2e_p95"),
          load_chart("Throughput against latency: first token", rows, "ttft_p50", "ttft_p95")].filter(Boolean)
}

// What a reader most likely wants first.
const FIRST = ["single_token_latency_ms", "ttft_ms", "tpot_ms", "itl_ms", "e2e_ms"]
const telling = metrics => FIRST.map(name => metrics.find(one => one.name === name)).find(Boolean)

pages.latency = function () {
  const many = detail => detail.metrics.filter(metric => metric.n >= 20 && (metric.samples || metric.quantiles))
  const list = runs_with(detail => many(detail).length > 0 || load_figures(detail).length > 0)
  const out = [el("h1", null, "Latency")]
  if (!list.length) return [...out, el("p", null, "No run holds 20 samples of one metric: woolly-lua inference_speed.lua does.")]
  const found = chosen_of(list, "id") || list.find(one => telling(many(one.detail))) || list[0]
  const metrics = many(found.detail)
  const wanted = read_view().query.get("metric")
  const metric = metrics.find(one => one.name === wanted) || telling(metrics) || metrics[0]
  out.push(el("p", null, chooser("latency", "id", list, found.run), metrics.length > 0 && el("label", null, "Metric ", el("select",
    { onchange: event => go("latency", { metric: event.target.value }) }, metrics.map(one => el("option",
      { value: one.name, selected: one === metric }, one.name))))))
  if (metric) {
    const spread = distribution(metric)
    out.push(histogram(metric.name, spread), percentiles(metric.name, spread))
  }
  return [...out, load_figures(found.detail)]
}

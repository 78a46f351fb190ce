// The phases as a road, and the readiness for Ole.

const pages = {}

function limit_rows(stop) {
  return stop.limits.map(limit => [
    limit.metric, { sort: limit.verdict, show: verdict(limit.verdict) },
    limit.value === undefined ? "" : with_unit(limit.value, metric_of(limit.metric)),
    limit.low === undefined || limit.low === limit.high ? "" : "[" + number(limit.low) + ", " + number(limit.high) + "]",
    limit_text(limit), limit.target === undefined ? "" : number(limit.target),
    limit.roof === undefined ? "" : number(limit.roof),
    limit.run ? link("run", { id: limit.run }, "run") : "",
    limit.reason || (limit.unreachable ? "unreachable: beyond the roof" : ""),
  ])
}
const LIMIT_COLUMNS = ["metric", "verdict", "measured", "interval", "limit", "target", "roof", "run", "reason"]

function stop_node(stop, is_next) {
  return el("li", { class: "stop " + stop.verdict },
    el("h3", null, stop.gate.replace(/^phase(\d)$/, "Phase $1") + ": " + stop.title),
    el("p", null, verdict(stop.verdict),
       " " + stop.limits.filter(l => l.verdict === "pass").length + " of " + stop.limits.length + " limits pass",
       is_next && el("strong", { class: "next" }, " next")),
    el("p", { class: "muted" }, stop.reason || (stop.next.length
      ? "to do: " + stop.next.slice(0, 3).join(", ") + (stop.next.length > 3 ? " and "
        + (stop.next.length - 3) + " more" : "") : "nothing is missing")))
}

function factor_chart(road) {
  const expected = data.trajectory
  if (!expected) return null
  const rows = Object.keys(expected.expected).sort().map(phase => {
    const stop = road.stops.find(s => s.gate === phase)
    const limit = stop && stop.limits.find(l => l.metric === expected.metric)
    return { phase, expected: expected.expected[phase], measured: limit && limit.value,
             low: limit && limit.low, high: limit && limit.high, roof: limit && limit.roof }
  })
  const y = range(rows.flatMap(r => [r.expected, r.measured, r.low, r.high, r.roof, 1]), { log: true })
  const frame = plot({ label: "Improvement over p0 by phase, expected and measured",
    x: { low: 0.5, high: rows.length + 0.5, steps: rows.map((_, i) => i + 1), text: i => rows[i - 1].phase },
    y: { ...y, title: "times p0" } })
  frame.line(rows.map((r, i) => [i + 1, r.expected]), "expected", "the plan's expectation")
  rows.forEach((r, i) => {
    frame.dot([i + 1, r.expected], "expected", r.phase + " expected " + number(r.expected), "square")
    if (r.roof) frame.line([[i + 0.75, r.roof], [i + 1.25, r.roof]], "roof", "roof " + number(r.roof))
    if (r.measured === undefined || r.measured === null) return
    if (r.low && r.high) frame.line([[i + 1, r.low], [i + 1, r.high]], "whisker")
    frame.dot([i + 1, r.measured], "", r.phase + " measured " + number(r.measured))
  })
  return figure("Improvement over p0: expected and measured", frame.root,
    ["phase", "expected", "measured", "low", "high", "roof"],
    rows.map(r => [r.phase, r.expected, r.measured, r.low, r.high, r.roof]),
    { note: "squares and line: the plan's expectation; circles: measured; dashes: the roof of this machine and model" })
}

pages.overview = function () {
  const query = read_view().query
  const out = [el("h1", null, "Overview")]
  const roads = data.roads.filter(road =>
    (!query.get("machine") || machine_name(road.machine) === query.get("machine"))
    && (!query.get("model") || model_name(road.model) === query.get("model")))
  const newest = wanted_runs().slice(-8).reverse()
  if (!roads.length) {
    out.push(el("p", null, "No phase has been judged yet: woolly-lua phase1.lua measures the first."))
  }
  for (const road of roads) {
    const next = road.stops.find(stop => stop.verdict !== "pass")
    out.push(el("section", null,
      el("h2", null, "The road: " + model_name(road.model) + " on machine " + machine_name(road.machine)),
      el("ol", { class: "road" }, road.stops.map(stop => stop_node(stop, stop === next))),
      road.stops.map(stop => el("details", { class: "behind", open: stop === next },
        el("summary", null, stop.gate.replace(/^phase(\d)$/, "Phase $1") + ": its limits"),
        table("Limits of " + stop.gate, LIMIT_COLUMNS, limit_rows(stop), { sort: true })))),
      factor_chart(road))
  }
  out.push(el("section", null, el("h2", null, "Newest runs"), runs_table("Newest runs", newest),
    el("p", null, link("runs", {}, "all " + wanted_runs().length + " runs"))))
  return out
}

pages.ole = function () {
  const stop = data.ole
  const out = [el("h1", null, "Ole readiness")]
  if (!stop) return [...out, el("p", null, "There is no gate ole here.")]
  const words = { single_token_latency_ms: "real-time response", tokens_per_second: "sustained performance",
                  memory_usage_mb: "memory efficiency", error_rate: "stability",
                  api_response_success_rate: "API compatibility", ttft_ms: "first token" }
  out.push(el("p", { class: "large" }, verdict(stop.verdict), " ",
    stop.verdict === "pass" ? "ready for the Ole desktop application" : stop.run || stop.limits.some(l => l.run)
      ? "not shown to be ready" : "not measured: woolly-lua ole_integration.lua"),
    el("ul", { class: "cards" }, stop.limits.map(limit => el("li", { class: "card" },
      el("h2", null, words[limit.metric] || limit.metric), el("p", null, verdict(limit.verdict)),
      el("p", { class: "large" }, limit.value === undefined ? "not measured"
        : with_unit(limit.value, metric_of(limit.metric))),
      el("p", { class: "muted" }, limit.metric + " " + limit_text(limit))))),
    table("Criteria of the gate ole", LIMIT_COLUMNS, limit_rows(stop), { sort: true }))
  return out
}

// What is known of the engine's inside: what switches buy, roofs, operations, latencies.

// Newest runs whose detail passes a test, as {run, detail}.
function runs_with(test) {
  const out = []
  for (const run of wanted_runs().slice().reverse()) {
    const detail = detail_of(run)
    if (detail && test(detail)) out.push({ run, detail })
  }
  return out
}
function chooser(page, key, list, chosen) {
  return el("label", null, key === "id" ? "Run " : "Compared with ", el("select", {
    onchange: event => go(page, { [key]: event.target.value }) },
    key !== "id" && el("option", { value: "" }, "nothing"),
    list.map(({ run }) => el("option", { value: run.id, selected: run === chosen },
      moment(run.at) + " " + group_name(group_of(run)) + " " + model_name(group_of(run).model) + " " + run.id.slice(-6)))), " ")
}
function chosen_of(list, key) {
  const id = read_view().query.get(key)
  return list.find(one => one.run.id === id)
}
const rows_of = (detail, name) => own(detail.tables, name) || []

pages.waterfall = function () {
  const list = runs_with(detail => rows_of(detail, "waterfall").length || rows_of(detail, "ablation").length)
  const out = [el("h1", null, "What each switch buys")]
  if (!list.length) return [...out, el("p", null, "No run holds it: woolly-lua improvement.lua goes from p0 to p5 switch by "
    + "switch, ablate.lua takes each switch by itself.")]
  const found = chosen_of(list, "id") || list[0]
  out.push(el("p", null, chooser("waterfall", "id", list, found.run)))
  const steps = rows_of(found.detail, "waterfall")
  if (steps.length) {
    const columns = ["step", "tokens/s", "times the step before", "low", "high", "prompt tokens/s", "times", "low", "high"]
    out.push(figure("From p0, switch by switch", bars("Decode rate after each switch", steps.map((row, i) => ({
      name: row.name, from: i ? steps[i - 1].tokens_per_second : undefined, to: row.tokens_per_second,
      kind: i && row.tokens_per_second < steps[i - 1].tokens_per_second ? "worse" : "better",
      text: number(row.tokens_per_second) + (i ? "  × " + number(row.decode) : "") })),
      { log: true, title: "tokens/s, decode" }), columns, steps.map(row => [row.name, row.tokens_per_second, row.decode,
        row.decode_low, row.decode_high, row.prefill_tokens_per_second, row.prompt, row.prompt_low, row.prompt_high]),
      { note: "each bar goes from the rate before to the rate with the switch" }))
  }
  for (const set of ["on", "off"]) {
    const rows = rows_of(found.detail, "ablation").filter(row => row.set === set && !row.refused)
    if (!rows.length) continue
    out.push(figure(set === "on" ? "Each switch alone, on top of p0" : "Each switch taken out of all", bars(
      "Ratio of decode rates", rows.map(row => ({ name: row.name, from: 1, to: row.decode, low: row.decode_low,
        high: row.decode_high, kind: row.decode < 1 ? "worse" : "better", text: "× " + number(row.decode) })),
      { log: true, left: 290, title: "ratio of decode rates; 1: no difference" }),
      ["switch", "against", "decode", "low", "high", "prompt", "low", "high", "tokens/s", "KLD"],
      rows.map(row => [row.name, row.base, row.decode, row.decode_low, row.decode_high, row.prompt, row.prompt_low,
                       row.prompt_high, row.tokens_per_second, row.kld_mean])))
  }
  const refused = rows_of(found.detail, "ablation").filter(row => row.refused)
  if (refused.length) out.push(el("h2", null, "Refused by the engine"), table("Refused by the engine",
    ["switch", "reason"], refused.map(row => [row.name, row.refused])))
  return out
}

// Operations (two a multiply-add) a byte, and rate; a phase's decode reads every weight once a token.
function roofline_points() {
  const points = []
  const kernels = runs_with(detail => rows_of(detail, "kernels").length)[0]
  for (const row of kernels ? rows_of(kernels.detail, "kernels") : []) {
    if (row.gop_per_second > 0 && row.gb_per_second > 0) {
      points.push({ name: [row.name, row.type, row.form, row.tokens + " tokens"].filter(Boolean).join(" "),
        x: row.gop_per_second / row.gb_per_second, y: row.gop_per_second, share: row.roof_share, kind: "kernel",
        shape: row.tokens > 1 ? "square" : "" })
    }
  }
  const seen = new Set()
  for (const { run, detail } of runs_with(detail => detail.metrics.some(m => m.name === "tokens_per_second" && m.n))) {
    const group = group_of(run)
    const model = data.models[group.model]
    if (!group.preset || !model || !model.n_params || !model.bytes || seen.has(group.preset)) continue
    seen.add(group.preset)
    const rate = detail.metrics.find(m => m.name === "tokens_per_second")
    points.push({ name: "decode " + group.preset + ", " + group.scenario, x: 2 * model.n_params / model.bytes,
      y: 2 * model.n_params * rate.median / 1e9, share: rate.roof_share, kind: "phase", shape: "triangle",
      label: group.preset })
  }
  return points
}

pages.roofline = function () {
  const out = [el("h1", null, "Roofline")]
  const points = roofline_points()
  const counts = data.roofs ? Object.keys(data.roofs.threads).sort((a, b) => a - b) : []
  const threads = read_view().query.get("threads") || counts[counts.length - 1]
  const at = data.roofs && own(data.roofs.threads, threads)
  if (!at && !points.length) return [...out, el("p", null, "Nothing to show: woolly-lua calibrate.lua measures the roofs, "
    + "matrix_operations.lua the kernels.")]
  const levels = at ? [["l1", "L1"], ["l2", "L2"], ["l3", "L3"], ["dram", "DRAM"]].filter(l => at[l[0]]) : []
  const peaks = at ? [["int8", "int8"], ["f32", "f32"]].filter(l => at[l[0]]) : []
  const top = Math.max(...peaks.map(p => 2 * at[p[0]]), ...points.map(p => p.y), 1)
  const xs = range(points.map(p => p.x).concat([0.25, 64]), { log: true })
  const ys = range(points.map(p => p.y).concat([top, top / 1000]), { log: true })
  const frame = plot({ label: "Roofline: rate over operations a byte", height: 460,
    x: { ...xs, title: "operations a byte" }, y: { ...ys, title: "10^9 operations/s" } })
  for (const [key, name] of peaks) {
    frame.line([[xs.low, 2 * at[key]], [xs.high, 2 * at[key]]], "roof")
    frame.add(frame.text(frame.width - 20, frame.y(2 * at[key]) - 5, "end", name + " " + number(2 * at[key]) + " GOP/s",
      { class: "label halo" }))
  }
  for (const [i, [key, name]] of levels.entries()) {
    const from = Math.max(xs.low, ys.low / at[key])
    const to = Math.min(xs.high, top / at[key])
    if (to <= from) continue
    frame.line([[from, from * at[key]], [to, to * at[key]]], "roof")
    // Along its line, the faster half above theirs and the others below: neighbours may lie close.
    const [x, y] = [frame.x(Math.sqrt(from * to)), frame.y(Math.sqrt(from * to) * at[key])]
    const slope = Math.atan2(frame.y(to * at[key]) - frame.y(from * at[key]), frame.x(to) - frame.x(from))
    frame.add(frame.text(0, i < levels.length / 2 ? -6 : 15, "middle", name + " " + number(at[key]) + " GB/s",
      { class: "label halo", transform: "translate(" + x + " " + y + ") rotate(" + slope * 180 / Math.PI + ")" }))
  }
  for (const point of points) {
    frame.dot([point.x, point.y], point.kind, point.name + ": " + number(point.y) + " GOP/s at " + number(point.x)
      + " operations a byte" + (point.share ? ", " + (100 * point.share).toFixed(0) + " % of its roof" : ""), point.shape)
  }
  // Presets that lie on one another share a label.
  const labels = []
  for (const point of points.filter(one => one.label)) {
    const [x, y] = [frame.x(point.x), frame.y(point.y)]
    const near = labels.find(one => Math.abs(one.x - x) < 20 && Math.abs(one.y - y) < 12)
    if (near) near.names.push(point.label)
    else labels.push({ x, y, names: [point.label] })
  }
  for (const { x, y, names } of labels) {
    frame.add(frame.text(x + 8, y + 4, "start", [...new Set(names)].sort().join(" "), { class: "label halo" }))
  }
  out.push(counts.length > 1 && el("p", null, "Roofs of ", counts.map(n => [n === threads ? el("strong", null, n)
    : link("roofline", { threads: n }, n), " "]), "threads"),
    !at && el("p", { class: "warning" }, "The roofs of this machine are not measured: woolly-lua calibrate.lua"),
    figure("Roofline", frame.root, ["what", "operations a byte", "10^9 operations/s", "share of its roof"],
      points.map(p => [p.name, p.x, p.y, p.share]),
      { note: "circles: kernels for one token; squares: for a prompt; triangles: decode of a preset, its weights read once a "
        + "token. Kernels whose weights fit a cache lie under that cache's roof" }))
  return out
}

pages.profile = function () {
  const list = runs_with(detail => rows_of(detail, "operations").length)
  const out = [el("h1", null, "Operations")]
  if (!list.length) return [...out, el("p", null, "No run holds a profile: woolly-lua memory_bandwidth.lua makes one.")]
  const a = chosen_of(list, "id") || list[0]
  const b = chosen_of(list, "other")
  out.push(el("p", null, chooser("profile", "id", list, a.run), chooser("profile", "other", list, b && b.run)))
  const rows = rows_of(a.detail, "operations")
  out.push(figure("Time of a token by operation", bars("Time of a token by operation", rows.map(row => ({
    name: row.operation, to: row.us_per_token, text: number(row.us_per_token) + " µs, " + (100 * row.share).toFixed(1) + " %" })),
    { title: "µs a token" }), ["operation", "µs a token", "share", "MB a token", "GB/s"], rows.map(row =>
    [row.operation, row.us_per_token, row.share, row.mb_per_token, row.gb_per_second])))
  if (b) {
    const before = new Map(rows_of(b.detail, "operations").map(row => [row.operation, row.us_per_token]))
    const names = [...new Set([...rows.map(row => row.operation), ...before.keys()])]
    const now = new Map(rows.map(row => [row.operation, row.us_per_token]))
    const differences = names.map(name => ({ name, a: now.get(name) || 0, b: before.get(name) || 0 }))
      .sort((x, y) => Math.abs(y.a - y.b) - Math.abs(x.a - x.b))
    out.push(figure("Difference by operation", bars("Difference by operation", differences.map(row => ({
      name: row.name, to: row.a - row.b, kind: row.a > row.b ? "worse" : "better",
      text: (row.a > row.b ? "+" : "") + number(row.a - row.b) + " µs" })), { title: "µs a token more than in the other run" }),
      ["operation", "µs a token", "other", "difference"], differences.map(row => [row.name, row.a, row.b, row.a - row.b])))
  }
  return out
}

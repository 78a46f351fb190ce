// The list of runs, and one run in full.

function runs_table(caption, runs) {
  return table(caption, ["run", "started", "scenario", "verdict", "model", "machine", "commit", "tags", "marks"],
    runs.map(run => {
      const group = group_of(run)
      return [link("run", { id: run.id }, run.id), moment(run.at), group_name(group),
        { sort: run.verdict || "", show: verdict(run.verdict) }, model_name(group.model),
        machine_name(group.machine), run.commit || "", tags_of(run).join(" "),
        run.disturbed ? "⚠ disturbed" : ""]
    }), { sort: true })
}

pages.runs = function () {
  const runs = wanted_runs().slice().reverse()
  const most = Number(read_view().query.get("most")) || 100
  return [el("h1", null, "Runs"), el("p", { "aria-live": "polite", id: "count" }, runs.length + " of "
    + data.runs.length + " runs"), runs_table("Runs, newest first", runs.slice(0, most)),
    runs.length > most && el("p", null, link("runs", { most: most + 400 }, runs.length - most + " more"))]
}

function samples_chart(metric, limits, repetitions) {
  const samples = metric.samples.filter(value => typeof value === "number")
  const all = samples.concat([metric.low, metric.high])
  const shown = limits.filter(limit => typeof limit.limit === "number" && near(limit.limit, samples))
  const frame = plot({ label: metric.name + ": " + samples.length + " samples in order, median "
    + number(metric.median), height: 200, x: { low: 0, high: samples.length + 1, title: "sample" },
    y: { ...range(all.concat(shown.map(l => l.limit))), title: metric_of(metric.name).unit || "" } })
  if (metric.confidence) frame.band([[0, metric.low, metric.high], [samples.length + 1, metric.low, metric.high]])
  frame.line([[0, metric.median], [samples.length + 1, metric.median]])
  const disturbed = new Set((repetitions || []).filter(r => r.disturbed && r.index).map(r => r.index))
  samples.forEach((value, i) => {
    const is = samples.length === (repetitions || []).filter(r => r.index).length && disturbed.has(i + 1)
    frame.dot([i + 1, value], is ? "disturbed" : "", "sample " + (i + 1) + ": " + number(value)
      + (is ? ", disturbed" : ""), is ? "triangle" : "")
  })
  shown.forEach(limit => frame.level(limit.limit, "limit", "limit " + limit_text(limit)))
  return figure(metric.name + ": samples", frame.root, ["sample", metric.name],
    samples.map((value, i) => [i + 1, value]), { level: 3,
      note: "line: median; band: its interval; triangles: disturbed repetitions" })
}

const facts_table = (caption, facts) => table(caption, ["what", "value"],
  Object.entries(facts).sort().map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]))

function metric_rows(detail) {
  const limits = (detail.gate && detail.gate.limits) || []
  return detail.metrics.map(metric => {
    const judged = limits.filter(limit => limit.metric === metric.name)
    return [metric.name,
      judged.length ? { sort: judged[0].verdict, show: judged.map(limit => verdict(limit.verdict)) } : "",
      metric.n ? with_unit(metric.median, metric_of(metric.name)) : "",
      metric.confidence ? "[" + number(metric.low) + ", " + number(metric.high) + "]" : "", metric.n,
      judged.map(limit_text).join(", "),
      metric.roof ? number(metric.roof) + " (" + (100 * metric.roof_share).toFixed(0) + " %)" : "",
      judged.map(limit => limit.reason).filter(Boolean).join("; ") || metric.reason || metric.roof_by || ""]
  })
}

function generic_table(name, rows) {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  return table(name, columns, rows.map(row => columns.map(key =>
    typeof row[key] === "object" && row[key] !== null ? JSON.stringify(row[key]) : own(row, key))),
    { sort: true, caption: true })
}

pages.run = function () {
  const id = read_view().query.get("id")
  const run = data.runs.find(one => one.id === id) || (!id && data.runs[data.runs.length - 1])
  if (!run) return [el("h1", null, "Run"), el("p", null, "There is no run " + id + " in this page.")]
  const group = group_of(run)
  const detail = detail_of(run)
  const same = data.runs.filter(one => one.group === run.group)
  const at = same.indexOf(run)
  const switches = group.switches ? JSON.parse(group.switches) : {}
  const out = [el("h1", null, (detail && detail.title) || group_name(group)),
    el("p", { class: "large" }, verdict(run.verdict), " ",
      detail && detail.gate ? "gate " + detail.gate.name + (detail.gate.left_out ? ", " + detail.gate.left_out
        + " of its limits are about other scenarios" : "") : ""),
    el("p", null, "run " + run.id + ", started " + moment(run.at) + " UTC, " + group_name(group) + " on target "
      + group.target + ", " + model_name(group.model) + ", machine ",
      link("machines", { machine: machine_name(group.machine) }, machine_name(group.machine)),
      run.commit ? ", commit " + run.commit + (detail && detail.dirty ? " with changes" : "") : "", "."),
    tags_of(run).length > 0 && el("p", null, "tags: " + tags_of(run).join(", ")),
    el("p", null, at > 0 && [link("run", { id: same[at - 1].id }, "← the one before"), " "],
      at < same.length - 1 && [link("run", { id: same[at + 1].id }, "the next →"), " "],
      link("history", { group: run.group }, "history of its like")),
    detail && detail.disturbed && el("p", { class: "warning" }, "⚠ disturbed: " + detail.disturbed)]
  if (!detail) {
    const rows = data.metric_order.filter(name => own(group.series, name)).map(name => {
      const found = series_points(own(group.series, name)).find(p => p.run === run)
      return found ? [name, with_unit(found.value, metric_of(name))] : null
    }).filter(Boolean)
    return [...out, el("p", null, "Its samples are not in this page: woolly-lua runs.lua show " + run.id),
            table("Figures", ["metric", "median"], rows)]
  }
  const limits = (detail.gate && detail.gate.limits) || []
  out.push(el("h2", null, "Figures"), table("Figures of the run", ["metric", "verdict", "median", "interval",
    "samples", "limit", "roof", "reason"], metric_rows(detail), { sort: true }))
  const failed = (detail.checks || []).filter(check => !check.ok)
  if (detail.checks && detail.checks.length) {
    out.push(el("details", { class: "behind", open: failed.length > 0 }, el("summary", null,
      detail.checks.length + " checks before anything was timed, " + failed.length + " failed"),
      table("Checks", ["what", "found", "wanted", "ok"], detail.checks.map(check => [check.what, check.found,
        check.wanted, check.ok ? "✓ yes" : "✗ NO"]))))
  }
  out.push(el("h2", null, "Samples"), el("div", { class: "grid2" }, detail.metrics.filter(metric =>
    metric.samples && metric.samples.length > 1 && metric.confidence).slice(0, 12).map(metric =>
    samples_chart(metric, limits.filter(limit => limit.metric === metric.name), detail.repetitions))))
  if (detail.lean) out.push(el("p", { class: "muted" }, "Checks, notes and tables of this run are not in this page: "
    + "woolly-lua runs.lua show " + run.id))
  const repetitions = detail.repetitions || []
  if (repetitions.length) {
    out.push(el("details", { class: "behind" }, el("summary", null, repetitions.length + " repetitions, "
      + repetitions.filter(r => r.disturbed).length + " disturbed"),
      table("Repetitions", ["repetition", "ms", "waited ms", "stolen ms", "disturbed by"], repetitions.map(r =>
        [r.index || "repeated", r.ms, r.waited_ms, r.stolen_ms, r.disturbed || ""]))))
  }
  for (const [name, rows] of Object.entries(detail.tables || {})) {
    if (rows.length) out.push(el("h2", null, "Table " + name), generic_table(name, rows))
  }
  if (detail.notes && detail.notes.length) {
    out.push(el("h2", null, "Notes"), el("pre", { tabindex: "0", "aria-label": "Notes" }, detail.notes.join("\n")))
  }
  out.push(el("h2", null, "Switches and options"), facts_table("Switches and options",
    { ...switches, ...(group.params ? JSON.parse(group.params) : {}), seed: detail.seed }),
    el("h2", null, "Machine"), facts_table("Machine", data.machines[group.machine] || {}))
  return out
}

pages.machines = function () {
  const wanted = read_view().query.get("machine")
  const machines = data.machines.map((machine, index) => ({ machine, index }))
    .filter(one => !wanted || machine_name(one.index) === wanted)
  return [el("h1", null, "Machines"), machines.map(({ machine, index }) => {
    const groups = data.groups.filter(group => group.machine === index)
    const runs = data.runs.filter(run => group_of(run).machine === index)
    return el("section", null, el("h2", null, "Machine " + machine_name(index)),
      el("p", null, runs.length + " runs in " + groups.length + " histories: ",
        link("runs", { machine: machine_name(index) }, "show them")),
      facts_table("Machine " + machine_name(index), machine))
  })]
}

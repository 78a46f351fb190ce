// Each metric over time, by groups of runs that are alike.

function drift_text(drift) {
  return drift && drift.verdict === "drift"
    ? percent(drift.change) + " in 30 runs, " + (drift.better ? "better" : "worse") : ""
}
function forecast_text(forecast, group, last) {
  if (!forecast) return ""
  const limit = limit_text(forecast)
  if (forecast.met) return limit + ": met"
  if (!forecast.median) return limit + ": no date" + (forecast.reason ? " (" + forecast.reason + ")" : "")
  const at = runs => !runs ? "never" : group.pace_s ? date(last + runs * group.pace_s) : runs + " runs on"
  return limit + ": about " + at(forecast.median) + " (" + at(forecast.early) + " to " + at(forecast.late) + ")"
}
function change_text(trend) {
  const point = trend.points && trend.points[trend.points.length - 1]
  if (!point) return ""
  return (point.better ? "▲ better " : "▼ worse ") + percent(point.change) + ", " + point.vote + ", "
    + point.age + " runs ago"
}

function group_section(found, metric) {
  const { index, group, runs } = found
  const names = data.metric_order.filter(name => own(group.series, name))
  const list = [...runs]
  const last = list[list.length - 1].at
  const rows = names.map(name => {
    const trend = own(group.trends, name) || {}
    const values = series_points(own(group.series, name)).filter(p => runs.has(p.run)).map(p => p.value)
    return [link("history", { group: index, metric: name }, name),
      { sort: values[values.length - 1], show: with_unit(values[values.length - 1], metric_of(name)) },
      spark(values, name + ", " + values.length + " runs"),
      trend.level === undefined ? "" : number(trend.level) + " over " + trend.segment,
      change_text(trend) || trend.reason || "", drift_text(trend.drift),
      forecast_text(trend.forecast, group, last)]
  })
  return el("section", null,
    el("h2", null, group_name(group) + ", " + model_name(group.model) + ", machine " + machine_name(group.machine)),
    el("p", { class: "muted" }, runs.size + " runs, " + date(list[0].at) + " to " + date(last) + ", target "
      + group.target + (group.params ? ", " + group.params : "")),
    metric && own(group.series, metric) && series_figure(metric, group, runs),
    el("details", { class: "behind", open: !metric || true }, el("summary", null, "All metrics"),
       table("Metrics of " + group_name(group), ["metric", "latest", "history", "level", "last change",
         "drift", "limit and forecast"], rows, { sort: true })))
}

pages.history = function () {
  const query = read_view().query
  const groups = wanted_groups().filter(found => !query.get("group") || String(found.index) === query.get("group"))
  const most = Number(query.get("most")) || 6
  const metric = query.get("metric")
  const names = data.metric_order.filter(name => data.groups.some(group => own(group.series, name)))
  return [el("h1", null, "History"),
    el("p", { class: "muted" }, "Runs that share scenario, target, preset, switches, options, machine and model are "
      + "one history. The shaded part is the baseline: the level since the last confirmed change."),
    el("p", null, el("label", null, "Metric ", el("select", { id: "metric",
      onchange: event => go("history", { metric: event.target.value }) },
      el("option", { value: "" }, "all as sparklines"),
      names.map(name => el("option", { value: name, selected: name === metric }, name)))),
      query.get("group") && [" ", link("history", { group: null }, "all histories")]),
    groups.length === 0 && el("p", null, "No runs match."),
    groups.slice(0, most).map(found => group_section(found, metric)),
    groups.length > most && el("p", null, link("history", { most: most + 12 },
      groups.length - most + " more histories"))]
}

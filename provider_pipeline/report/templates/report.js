"use strict";
// Draws the table and the charts from the page's own data. Texts of listings are put into the page as text only.
(async () => {
  const byId = (id) => document.getElementById(id);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const unknown = "–";

  async function unpacked(id) {
    const bytes = Uint8Array.from(atob(byId(id).textContent), (char) => char.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }
  const { columns, models, charts } = JSON.parse(await unpacked("data"));
  const at = Object.fromEntries(columns.map((name, index) => [name, index]));
  async function script(id) {
    return URL.createObjectURL(new Blob([await unpacked(id)], { type: "text/javascript" }));
  }
  function element(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  const escaped = (text) => element("i", text).innerHTML.replaceAll('"', "&quot;");

  // The table.
  const amounts = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  function money(value) {
    if (value === null) return unknown;
    if (value !== 0 && value < 0.01) return "$" + value.toFixed(6).replace(/0+$/, "");
    return "$" + amounts.format(value);
  }
  function tokens(value) {
    if (value === null) return unknown;
    for (const [size, letter] of [[1e6, "M"], [1e3, "k"]]) {
      if (value >= size) return (value / size).toFixed(1).replace(/\.0$/, "") + letter;
    }
    return String(value);
  }
  const shown = (format) => (value, kind) => (kind === "display" ? format(value) : value);
  const safe = (value) => (value === null ? unknown : escaped(value));
  const words = (names) => names.map((name) => name.replaceAll("_", " "));

  function modelCell(value, kind, row) {
    const name = row[at.display_name];
    if (kind !== "display") return kind === "filter" ? [value, name, row[at.canonical_id]].join(" ") : value;
    const status = row[at.status] === "active" ? "" : " (missing from the last listing)";
    const beside = (name && name.toLowerCase() !== value.toLowerCase() ? name : "") + status;
    const provider = `<span class="what narrow">${escaped(row[at.slug])}</span>`;
    return escaped(value) + (beside ? `<span class="what">${escaped(beside)}</span>` : "") + provider;
  }
  function capabilityCell(names, kind) {
    if (kind !== "display") return kind === "filter" ? words(names).join(" ") : names.length;
    return names.length ? words(names).map((name) => `<span class="cap">${escaped(name)}</span>`).join("") : unknown;
  }

  async function table() {
    const style = element("style", await unpacked("tables-css"));
    document.head.prepend(style);
    const { jQuery: $, set_or_remove_dark_class: followTheme } = await import(await script("tables-js"));
    followTheme();
    const api = $.fn.dataTable;
    // What is unknown comes last in either direction.
    const compare = (sign) => (a, b) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : sign * (a < b ? -1 : 1));
    api.ext.type.order["known-asc"] = compare(1);
    api.ext.type.order["known-desc"] = compare(-1);
    // A column in which nothing is known would only take the others' room.
    const column = (title, name, className, format) => ({
      title, data: at[name], name, type: "known", className, render: shown(format),
      visible: models.some((row) => row[at[name]] !== null),
    });
    const number = (title, name, format) => ({
      ...column(title, name, "n", format), searchable: false, orderSequence: ["asc", "desc"],
    });
    const day = (title, name) => column(title, name, "t", safe);
    const made = $("#table").DataTable({
      data: models,
      deferRender: true,
      autoWidth: false,
      pageLength: 25,
      lengthMenu: [25, 100, 500],
      order: [{ name: "context_length", dir: "desc" }, { name: "input_price", dir: "asc" }, [0, "asc"]],
      layout: { topStart: null, topEnd: null, bottomStart: ["info", "pageLength"], bottomEnd: { paging: { firstLast: false, numbers: 5 } } },
      language: { entries: { 1: "model", _: "models" }, lengthMenu: "_MENU_ per page", zeroRecords: "No model is like that.", emptyTable: "There is no model yet." },
      createdRow: (row, data) => { if (data[at.status] !== "active") row.classList.add("gone"); },
      columns: [
        { title: "model", data: at.model_id, className: "id", render: modelCell },
        { title: "provider", data: at.slug, className: "provider", render: shown(safe) },
        number("input $/M", "input_price", money),
        number("output $/M", "output_price", money),
        number("cached $/M", "cache_read_price", money),
        number("context", "context_length", tokens),
        number("max output", "max_output_tokens", tokens),
        { title: "capabilities", data: at.capabilities, className: "caps", render: capabilityCell, orderSequence: ["desc", "asc"] },
        day("released", "released_on"),
        day("ends", "retires_on"),
        day("first seen", "first_seen_at"),
      ],
    });
    filters(made);
    document.documentElement.dataset.rows = made.rows().count();
  }

  function filters(made) {
    const count = new Map();
    for (const row of models) for (const name of row[at.capabilities]) count.set(name, (count.get(name) ?? 0) + 1);
    const wanted = new Set();
    const search = byId("search"), provider = byId("provider"), most = byId("most");
    for (const slug of [...new Set(models.map((row) => row[at.slug]))].sort()) provider.append(new Option(slug, slug));
    made.search.fixed("filters", (_text, row) => {
      const price = row[at.input_price];
      return (!provider.value || row[at.slug] === provider.value)
        && (!most.value || (price !== null && price <= Number(most.value)))
        && [...wanted].every((name) => row[at.capabilities].includes(name));
    });
    let waiting;
    search.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => made.search(search.value).draw(), 120);
    });
    for (const input of [provider, most]) input.addEventListener("input", () => made.draw());
    for (const [name, total] of [...count].sort((a, b) => b[1] - a[1])) {
      const chip = element("button", `${name.replaceAll("_", " ")} ${total.toLocaleString("en")}`);
      chip.type = "button";
      chip.setAttribute("aria-pressed", "false");
      chip.addEventListener("click", () => {
        const on = !wanted.has(name);
        if (on) wanted.add(name); else wanted.delete(name);
        chip.setAttribute("aria-pressed", String(on));
        made.draw();
      });
      byId("chips").append(chip);
    }
  }

  // The charts.
  const wheel = ["#6366f1", "#f59e0b", "#10b981", "#ef4444", "#0ea5e9", "#d946ef", "#84cc16", "#f97316", "#94a3b8"];
  function themed(chart, narrow) {
    const css = getComputedStyle(document.documentElement);
    const color = (name) => css.getPropertyValue(name).trim();
    const data = chart.data.map((trace) => {
      const own = { ...trace };
      if (own.type === "scatter") own.marker = { size: 9, opacity: 0.75, line: { width: 1, color: color("--card") } };
      if (own.type === "bar") own.marker = { color: color(own.marker.color) };
      if (own.type === "heatmap") own.colorscale = [[0, color("--page")], [1, color("--heat")]];
      return own;
    });
    const axis = {
      gridcolor: color("--line"), zerolinecolor: color("--line"), linecolor: color("--line"), automargin: true, fixedrange: narrow,
    };
    const layout = {
      ...chart.layout,
      colorway: wheel,
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { family: "system-ui, sans-serif", size: narrow ? 11 : 12.5, color: color("--quiet") },
      margin: { l: 12, r: 12, t: 12, b: 12 },
      legend: { orientation: "h", y: -0.2 },
      hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--text") }, align: "left" },
      xaxis: { ...axis, ...chart.layout.xaxis },
      yaxis: { ...axis, ...chart.layout.yaxis },
    };
    return { data, layout };
  }
  async function draw() {
    await new Promise((resolve, reject) => {
      const tag = element("script");
      tag.addEventListener("load", resolve);
      tag.addEventListener("error", reject);
      script("plotly").then((url) => { tag.src = url; document.head.append(tag); }, reject);
    });
    const redraw = () => {
      for (const place of document.querySelectorAll("[data-chart]")) {
        const { data, layout } = themed(charts[place.dataset.chart], innerWidth < 640);
        Plotly.react(place, data, layout, { displayModeBar: false, responsive: true });
      }
    };
    redraw();
    dark.addEventListener("change", redraw);
    document.documentElement.dataset.charts = "drawn";
  }

  byId("find-offer")?.addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const each of document.querySelectorAll(".offers details")) each.hidden = !each.dataset.name.includes(wanted);
  });
  await table();
  await draw();
})();

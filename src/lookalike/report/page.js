// Draws the report's charts when they come into view, and serves search, order and theme. All data stand in #data.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const drawn = new Map();
  const color = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const escape = (text) => String(text).replace(/[&<>"']/g, (c) => "&#" + c.charCodeAt(0) + ";");
  const short = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
  const share = (v) => (v === null || v === undefined ? "< 5 rows" : v + " %");
  const percent = (v) => (v >= 10 || v === 0 ? Math.round(v) : v) + " %";

  const shares = (c) => (Math.max(...series.flatMap(([key]) => c[key])) > 75 ? { max: 100, interval: 25 } : { splitNumber: 3 });

  // ---- shared pieces
  const family = getComputedStyle(document.body).fontFamily;
  const font = () => ({ color: color("soft"), fontSize: 11, fontFamily: family });
  const axis = (more) => ({
    axisLine: { lineStyle: { color: color("line") } }, axisTick: { show: false }, axisLabel: font(),
    splitLine: { lineStyle: { color: color("hair") } }, ...more,
  });
  const tip = (more) => ({
    backgroundColor: color("card"), borderColor: color("line"), textStyle: { color: color("ink"), fontSize: 12.5 },
    confine: true, transitionDuration: 0, ...more,
  });
  const base = () => ({ animation: false, textStyle: { fontFamily: family } });
  const table = (title, rows) =>
    `<b>${escape(title)}</b>` + rows.map(([k, v]) => `<br>${escape(k)}: ${escape(v)}`).join("");
  const heldName = data.holdout ? "held-out real" : "other half of real";
  const series = [["real", "real"], ["synthetic", "synthetic"], ["holdout", heldName]];

  // ---- charts
  function columnChart(element) {
    const c = data.columns[element.dataset.index];
    const tooltip = tip({
      trigger: "axis", axisPointer: { type: "shadow", shadowStyle: { color: color("ink"), opacity: 0.05 } },
      formatter: (at) => table(c.labels[at[0].dataIndex], series.map(([key, name]) => [name, share(c[key][at[0].dataIndex])])),
    });
    return c.type === "histogram" ? histogram(c, tooltip) : levels(c, tooltip);
  }

  // A line along the tops of bars, from the left edge of the first to the right edge of the last.
  const outline = (bars) => [...bars, bars[bars.length - 1]].map((v, i) => [i, v ?? 0]);
  const steps = { type: "line", xAxisIndex: 1, step: "end", symbol: "none", tooltip: { show: false } };

  function histogram(c, tooltip) {
    return {
      ...base(), tooltip,
      grid: { left: 4, right: 10, top: 10, bottom: 4, containLabel: true },
      xAxis: [
        axis({ type: "category", data: c.ticks, axisLabel: { ...font(), hideOverlap: true, alignMinLabel: "left", alignMaxLabel: "right" } }),
        { type: "value", show: false, min: 0, max: c.real.length },
      ],
      yAxis: axis({ type: "value", ...shares(c), axisLabel: { ...font(), formatter: percent } }),
      series: [
        { type: "bar", data: c.real, barCategoryGap: "0%", itemStyle: { color: color("real") } },
        { ...steps, data: outline(c.holdout), lineStyle: { color: color("holdout"), width: 1.3, type: [4, 3] } },
        { ...steps, data: outline(c.synthetic), lineStyle: { color: color("synthetic"), width: 1.8 } },
      ],
    };
  }

  function levels(c, tooltip) {
    return {
      ...base(), tooltip,
      grid: { left: 4, right: 14, top: 2, bottom: 2, containLabel: true },
      xAxis: axis({ type: "value", ...shares(c), axisLabel: { ...font(), formatter: percent, hideOverlap: true } }),
      yAxis: axis({ type: "category", inverse: true, data: c.labels, axisLabel: { ...font(), interval: 0, formatter: (t) => short(t, 20) } }),
      series: [
        { type: "bar", data: c.real, itemStyle: { color: color("real") }, barGap: "0%", barCategoryGap: "28%" },
        { type: "bar", data: c.synthetic, itemStyle: { color: color("synthetic") } },
        { type: "line", data: c.holdout, symbol: "rect", symbolSize: [2, 9], lineStyle: { width: 0 }, itemStyle: { color: color("holdout") } },
      ],
    };
  }

  function pairsChart(element) {
    const { names, association } = data.pairs;
    const which = element.dataset.which, difference = which === "difference", cells = [];
    for (let i = 0; i < names.length; i++) {
      for (let j = 0; j < names.length; j++) {
        if (i === j) continue;
        const real = association.real[i][j], other = association.other[i][j];
        cells.push([j, i, difference ? Math.round((other - real) * 1000) / 1000 : which === "real" ? real : other]);
      }
    }
    const reach = difference ? Math.max(0.1, ...cells.map((c) => Math.abs(c[2]))) : 1;
    const few = names.length <= 24 && element.clientWidth > 250;
    const labels = (more) => axis({
      type: "category", data: names, splitLine: { show: false }, axisLine: { show: false },
      axisLabel: { ...font(), fontSize: 10, show: few, interval: 0, formatter: (t) => short(t, 12) }, ...more,
    });
    return {
      ...base(),
      tooltip: tip({ formatter: (p) => table(`${names[p.value[1]]} × ${names[p.value[0]]}`, [[difference ? "difference" : "V", p.value[2].toFixed(2)]]) }),
      grid: { left: 2, right: 2, top: 2, bottom: 44, containLabel: true },
      xAxis: labels({ axisLabel: { ...font(), fontSize: 10, show: few, interval: 0, rotate: 90, formatter: (t) => short(t, 12) } }),
      yAxis: labels({ inverse: true }),
      visualMap: {
        min: difference ? -reach : 0, max: reach, calculable: false, orient: "horizontal", left: "center", bottom: 0,
        itemHeight: 110, itemWidth: 9, precision: 2, text: [reach === 1 ? "1" : "+" + reach.toFixed(2), difference ? "−" + reach.toFixed(2) : "0"],
        textStyle: font(), inRange: { color: difference ? [color("minus"), color("low"), color("plus")] : [color("low"), color("synthetic")] },
      },
      series: [{ type: "heatmap", data: cells, progressive: 0, itemStyle: { borderWidth: names.length <= 60 ? 1 : 0, borderColor: color("paper") } }],
    };
  }

  // Both axes are logarithmic: what counts is how many are found while very few are accused.
  const hidden = new Set();
  const shades = ["#4477d6", "#d2762a", "#3c9a6a", "#b4559b", "#8a7a2e", "#c4493f", "#5b8fa8", "#8468c9"];
  function rocChart() {
    const least = Math.min(0.01, ...data.roc.flatMap((c) => c.fpr.filter((v) => v > 0)));
    const start = 10 ** Math.ceil(Math.log10(least) - 1e-9);  // below, a curve rests on single strangers
    const rate = (v) => (v >= 0.01 ? Math.round(100 * v) : Number((100 * v).toPrecision(1))) + " %";
    const side = (name, more) => axis({
      type: "log", min: start, max: 1, name, nameLocation: "middle", nameTextStyle: { ...font(), fontSize: 12 }, axisLabel: { ...font(), formatter: rate }, ...more,
    });
    const curves = data.roc.map((c, i) => ({
      name: c.title, type: "line", symbol: "none", itemStyle: { color: c.best ? color("ink") : shades[i % 8] }, z: c.best ? 4 : 2,
      lineStyle: { color: c.best ? color("ink") : shades[i % 8], width: c.best ? 2.6 : 1.6, type: i >= 8 && !c.best ? [5, 3] : "solid" },
      data: hidden.has(i) ? [] : c.fpr.map((x, j) => [x, Math.max(c.tpr[j], start)]).filter(([x]) => x >= start),
    }));
    const chance = { name: "chance", type: "line", symbol: "none", silent: true, data: [[start, start], [1, 1]], lineStyle: { color: color("soft"), width: 1.2, type: [3, 4] }, tooltip: { show: false } };
    return {
      ...base(),
      tooltip: tip({
        trigger: "axis", axisPointer: { type: "line", snap: false, label: { show: false } },
        formatter: (at) => table(`${rate(at[0].axisValue)} of strangers accused`, at.filter((p) => p.seriesName !== "chance").map((p) => [p.seriesName, (100 * p.value[1]).toFixed(1) + " % found"])),
      }),
      grid: { left: 30, right: 18, top: 12, bottom: 34, containLabel: true },
      xAxis: side("strangers accused (FPR)", { nameGap: 28 }),
      yAxis: side("members found (TPR)", { nameGap: 46 }),
      series: [chance, ...curves],
    };
  }

  function distancesChart() {
    const d = data.distances;
    const line = (key, name, shade, type) => ({
      name, type: "line", data: d[key].map((x, i) => [x, 100 * d.share[i]]), symbol: "none", lineStyle: { color: color(shade), width: 2, type }, itemStyle: { color: color(shade) },
      endLabel: { show: false },
    });
    return {
      ...base(),
      tooltip: tip({ trigger: "axis", formatter: (at) => table(`${Math.round(at[0].value[1])} % of synthetic rows`, at.map((p) => [p.seriesName, "within " + p.value[0].toFixed(2)])) }),
      grid: { left: 8, right: 20, top: 12, bottom: 26, containLabel: true },
      xAxis: axis({ type: "value", name: "distance to the nearest row", nameLocation: "middle", nameGap: 26, nameTextStyle: font() }),
      yAxis: axis({ type: "value", max: 100, axisLabel: { ...font(), formatter: percent } }),
      series: [line("train", "training row", "synthetic", "solid"), line("holdout", "held-out row", "holdout", [5, 4])],
    };
  }

  const charts = { column: columnChart, pairs: pairsChart, roc: rocChart, distances: distancesChart };

  // Thousands of cells are too many for SVG, which is otherwise sharper on paper.
  const renderer = (element) => (element.dataset.chart === "pairs" && data.pairs.names.length > 40 ? "canvas" : "svg");

  function draw(element) {
    let chart = drawn.get(element);
    if (!chart) {
      chart = echarts.init(element, null, { renderer: renderer(element) });
      drawn.set(element, chart);
      resized.observe(element);
    }
    chart.setOption(charts[element.dataset.chart](element), true);
    element.dataset.drawn = "yes";
  }

  const resized = new ResizeObserver((entries) => entries.forEach(({ target, contentRect }) => {
    const chart = drawn.get(target);
    if (chart && contentRect.width && (chart.getWidth() !== Math.round(contentRect.width))) chart.resize();
  }));
  const seen = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
    if (isIntersecting) { seen.unobserve(target); draw(target); }
  }), { rootMargin: "400px" });
  const all = [...document.querySelectorAll("[data-chart]")];
  all.forEach((element) => seen.observe(element));
  const redraw = () => drawn.forEach((_, element) => draw(element));

  // ---- theme: system, light or dark
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  const choices = ["system", "light", "dark"];
  const remember = (value) => { try { localStorage.setItem("lookalike-theme", value); } catch { /* a page without storage forgets */ } };
  const remembered = () => { try { return localStorage.getItem("lookalike-theme"); } catch { return null; } };
  let theme = choices.includes(remembered()) ? remembered() : "system";
  function paint(forced) {
    root.dataset.theme = forced || (theme === "system" ? (system.matches ? "dark" : "light") : theme);
    button.textContent = "Theme: " + theme;
    redraw();
  }
  button.addEventListener("click", () => { theme = choices[(choices.indexOf(theme) + 1) % 3]; remember(theme); paint(); });
  system.addEventListener("change", () => paint());
  paint();

  // ---- print: all charts, in light colours, as wide as they fit on A4 and Letter; the page's own layout comes too late to be asked
  const paper = { column: 312, pairs: 214, roc: 640, distances: 640 };
  let opened = [];
  addEventListener("beforeprint", () => {
    paint("light");
    opened = [...document.querySelectorAll("details.drill:not([open])")];
    opened.forEach((d) => { d.open = true; });
    all.forEach(draw);
    drawn.forEach((chart, element) => {
      const width = paper[element.dataset.chart];
      if (element.dataset.chart === "pairs") element.firstElementChild.style.zoom = width / element.clientWidth;
      else chart.resize({ width, height: element.clientHeight });
      chart.getZr().refreshImmediately();
    });
  });
  addEventListener("afterprint", () => {
    paint();
    opened.forEach((d) => { d.open = false; });
    drawn.forEach((chart, element) => { element.firstElementChild.style.zoom = ""; chart.resize({ width: "auto", height: "auto" }); });
  });

  // ---- curves that are shown
  document.querySelectorAll("[data-curve]").forEach((box) => box.addEventListener("change", () => {
    const at = Number(box.dataset.curve);
    if (box.checked) hidden.delete(at); else hidden.add(at);
    drawn.forEach((_, element) => { if (element.dataset.chart === "roc") draw(element); });
  }));

  // ---- find and order columns
  const cards = document.getElementById("cards"), find = document.getElementById("find"), order = document.getElementById("order");
  const list = cards ? [...cards.children] : [], count = document.getElementById("count");
  function filter() {
    const wanted = find.value.trim().toLowerCase();
    list.forEach((card) => { card.hidden = !(card.dataset.name + " " + card.dataset.kind).toLowerCase().includes(wanted); });
    count.textContent = wanted ? `${list.filter((c) => !c.hidden).length} of ${list.length} columns` : "";
  }
  const ways = {
    error: (a, b) => b.dataset.error - a.dataset.error,
    table: (a, b) => a.dataset.index - b.dataset.index,
    name: (a, b) => a.dataset.name.localeCompare(b.dataset.name),
  };
  if (cards) {
    find.addEventListener("input", filter);
    order.addEventListener("change", () => cards.append(...list.sort(ways[order.value])));
  }

  // ---- mark the section being read
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const reading = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
    if (!isIntersecting) return;
    links.forEach((a, id) => a.classList.toggle("here", id === target.id));
  }), { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("main > section").forEach((s) => reading.observe(s));
})();

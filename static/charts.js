// Draws every canvas that carries `data-chart` (templates/pages/chart.html): labels and series as JSON. Colours are the
// page's own, light or dark. Without this file, or without Chart.js, the table under the chart says the same.
(() => {
  "use strict";

  const TONES = { accent: "--accent", good: "--good", bad: "--bad", wait: "--wait", plain: "--quiet" };
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const dataset = ({ name, values, tone, line, stack }) => {
    const ink = colour(TONES[tone] || TONES.accent);
    const shared = { label: name, data: values, borderColor: ink, backgroundColor: ink };
    return line
      ? { ...shared, type: "line", borderWidth: 2, pointRadius: 0, pointHitRadius: 8, stepped: "middle", order: 0, stack: "line" }
      : { ...shared, stack, order: 1, borderRadius: 2, maxBarThickness: 26 };
  };

  const draw = (canvas) => {
    const { labels, series } = JSON.parse(canvas.dataset.chart);
    canvas.closest("[data-chart-box]").hidden = false;
    window.Chart.getChart(canvas)?.destroy();
    const grid = { color: colour("--line") }, ticks = { color: colour("--quiet"), maxRotation: 0, autoSkipPadding: 12, precision: 0 };
    new window.Chart(canvas, {
      type: "bar",
      data: { labels, datasets: series.map(dataset) },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { stacked: true, grid: { display: false }, ticks },
          y: { stacked: true, beginAtZero: true, grid, ticks, border: { display: false } },
        },
        plugins: {
          legend: { display: series.length > 1, labels: { color: colour("--plain"), boxWidth: 12, boxHeight: 12 } },
        },
      },
    });
  };

  const all = (root) => {
    if (window.Chart) (root || document).querySelectorAll("canvas[data-chart]").forEach(draw);
  };
  document.addEventListener("DOMContentLoaded", () => all(document));
  document.addEventListener("htmx:afterSettle", (event) => all(event.detail.target));
  // app.js changes the theme first: it was loaded before.
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => all(document));
})();

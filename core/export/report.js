"use strict";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const touch = window.matchMedia("(pointer: coarse)").matches;
const charts = [...document.querySelectorAll("script[data-chart]")].map((script) => ({
  node: document.getElementById(script.dataset.chart),
  ...JSON.parse(script.textContent),
}));

function themed(layout, isDark) {
  const ink = isDark ? "#e8e8e8" : "#1a1a1a";
  const line = isDark ? "#3a3f45" : "#e3e3e3";
  const axis = (own) => ({ gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...own });
  return {
    margin: { l: 48, r: 12, t: 34, b: 44 },
    legend: { orientation: "h", x: 1, xanchor: "right", y: 1.02, yanchor: "bottom" },
    ...layout,
    font: { family: "system-ui, sans-serif", size: 13, color: ink },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
  };
}

function draw(isDark) {
  for (const { node, data, layout } of charts) {
    // On a touch screen a drag must scroll the page, and the mode bar, always there, would cover titles and legends.
    const config = { responsive: true, displaylogo: false, displayModeBar: touch ? false : "hover" };
    Plotly.react(node, data, { dragmode: touch ? false : "zoom", ...themed(layout, isDark) }, config);
  }
}

draw(dark.matches);
dark.addEventListener("change", () => draw(dark.matches));
window.addEventListener("beforeprint", () => draw(false));
window.addEventListener("afterprint", () => draw(dark.matches));

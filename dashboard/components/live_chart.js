// Follows newest.js. Sent with every message, so it stays short.

// Okabe-Ito, [on light, on dark].
const ROLES = {
  train: ["#0072B2", "#56B4E9"],
  val: ["#E69F00", "#E69F00"],
  test: ["#009E73", "#2FC79B"],
  accent: ["#D55E00", "#FF8A3D"],
  muted: ["#6B7280", "#9CA3AF"],
}

// Kept apart from window.Plotly: Streamlit's own charts bring another version, which takes that name whenever it loads,
// and one version's charts are not for the other: they would lose zoom and legend choices.
function loadPlotly(path) {
  window.alexnetPlotly ??= new Promise((resolve, reject) => {
    // Streamlit's own script tells where the app lives, on /train and below a base path alike.
    const own = document.querySelector("script[src*='static/js/index']")
    const base = own ? own.src.split("static/js/")[0] : document.baseURI
    const script = Object.assign(document.createElement("script"), { src: new URL(path, base) })
    script.onload = () => resolve(window.Plotly)
    script.onerror = () => {
      script.remove()
      delete window.alexnetPlotly
      reject(new Error("plotly.js did not load: is server.enableStaticServing on?"))
    }
    document.head.append(script)
  })
  return window.alexnetPlotly
}

function readTheme(element) {
  const css = getComputedStyle(element)
  const read = (name) => css.getPropertyValue(`--st-${name}`).trim()
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  probe.fillStyle = read("background-color")
  probe.fillRect(0, 0, 1, 1)
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data
  return {
    dark: 0.2126 * r + 0.7152 * g + 0.0722 * b < 128,
    text: read("text-color"),
    surface: read("secondary-background-color"),
    line: read("border-color-light"),
    border: read("border-color"),
    font: read("font"),
  }
}

function layoutOf(panel, data, theme, width, empty) {
  const axis = { gridcolor: theme.line, zeroline: false, automargin: true, visible: !empty, separatethousands: true }
  // All panels span the same x, whatever room their markers would ask for.
  const [clipmin, clipmax] = data.xSpan
  // On a touch screen a drag must scroll the page; the mode bar, always there, offers zoom, and needs room of its own.
  const touch = matchMedia("(pointer: coarse)").matches
  // What a user has hidden stays hidden while this is the same, what he has zoomed into while its axis is.
  const own = `${data.revision} ${panel.title}`
  return {
    width,
    height: panel.height,
    uirevision: own,
    xaxis: {
      ...axis,
      uirevision: `${own} ${data.xTitle}`,
      title: { text: data.xTitle },
      hoverformat: ",.2~f",
      showline: true,
      linecolor: theme.border,
      autorangeoptions: { clipmin, clipmax, include: [clipmin, clipmax] },
    },
    yaxis: { ...axis, uirevision: `${own} ${data.xTitle} ${panel.yaxis.type}`, ticksuffix: " ", ...panel.yaxis },
    font: { family: theme.font, size: 12, color: theme.text },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    margin: { l: 8, r: 16, t: touch ? 62 : 30, b: 8 },
    hovermode: "x unified",
    hoverlabel: { bgcolor: theme.surface, bordercolor: theme.border, font: { color: theme.text } },
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
    showlegend: panel.traces.length > 1,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: theme.text, activecolor: theme.text },
    dragmode: touch ? false : "zoom",
    annotations: empty
      ? [{ text: panel.empty, showarrow: false, xref: "paper", yref: "paper", x: 0.5, y: 0.5, font: { size: 14 } }]
      : [],
  }
}

function tracesOf(panel, theme) {
  return panel.traces.map(({ color, fill, ...trace }) => {
    const shade = ROLES[color]?.[theme.dark ? 1 : 0] ?? color
    const area = fill ? { fill: "tonexty", fillcolor: shade + Math.round(fill * 255).toString(16).padStart(2, "0") } : {}
    return {
      ...trace,
      ...area,
      type: "scatter",
      line: { ...trace.line, color: shade },
      marker: { ...trace.marker, color: shade },
    }
  })
}

// Also runs before plotly.js is there, so that the page does not jump when it arrives.
function layOut(state) {
  const { grid, data } = state
  grid.querySelector(".lc-failed")?.remove()
  while (grid.children.length > data.panels.length) {
    state.plotly?.purge(grid.lastChild.lastChild)
    grid.lastChild.remove()
  }
  state.plots = data.panels.map((panel, i) => {
    const figure = grid.children[i] ?? grid.appendChild(document.createElement("figure"))
    if (!figure.firstChild) {
      figure.className = "lc-panel"
      figure.append(document.createElement("figcaption"), document.createElement("div"))
    }
    const note = Object.assign(document.createElement("span"), { textContent: panel.note })
    figure.firstChild.replaceChildren(panel.title, " ", note)
    figure.lastChild.style.height = `${panel.height}px`
    return figure.lastChild
  })
}

function describe(plot, alt) {
  // Not on the plot itself: its mode bar holds buttons, which an image must not contain.
  const [image, ...layers] = plot.querySelectorAll(".main-svg")
  image.setAttribute("role", "img")
  image.setAttribute("aria-label", alt)
  layers.forEach((layer) => layer.setAttribute("aria-hidden", "true"))
}

function draw(state) {
  state.frame = 0
  const { data, theme, plots } = state
  const widths = plots.map((plot) => plot.clientWidth) // read all before the first write
  plots.forEach((plot, i) => {
    if (!widths[i]) return // in a closed tab: the resize observer calls again
    const panel = data.panels[i]
    const empty = panel.traces.every((trace) => !trace.y.bdata)
    plot.classList.toggle("lc-empty", empty)
    state.plotly.react(plot, tracesOf(panel, theme), layoutOf(panel, data, theme, widths[i], empty), {
      displaylogo: false,
      modeBarButtons: [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
      toImageButtonOptions: { filename: panel.title, scale: 2 },
    }).then(() => describe(plot, panel.alt))
  })
}

function schedule(state) {
  // A frame joins bursts, and a hidden browser tab has none: it draws once when it comes back.
  if (state.plotly && !state.frame) state.frame = requestAnimationFrame(() => draw(state))
}

function mount(parentElement) {
  const state = { grid: parentElement.querySelector(".lc-grid") }
  state.observer = new ResizeObserver(() => schedule(state))
  state.observer.observe(state.grid)
  return state
}

function leave(state) {
  state.observer.disconnect()
  cancelAnimationFrame(state.frame)
  if (state.plotly) state.plots.forEach(state.plotly.purge)
  state.grid.replaceChildren()
}

export default function ({ data, parentElement }) {
  const show = (state) => {
    Object.assign(state, { data, theme: readTheme(parentElement) })
    layOut(state)
    loadPlotly(data.plotly).then(
      (plotly) => {
        state.plotly = plotly
        schedule(state)
      },
      (error) => {
        state.grid.innerHTML = "<div class='lc-failed' role='alert'></div>"
        state.grid.firstChild.textContent = error.message
      },
    )
  }
  return newest(parentElement, mount, show, leave)
}

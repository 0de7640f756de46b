// Follows newest.js and pick.js. Sent with every message, so it stays short.
const LINE = 15 // CSS pixels under a tile for each line of its caption
const GAP = 6
const MIN_TILE = 38
const MAX_TILE = 96
const GOOD_HEIGHT = 640 // above it tiles shrink, down to MIN_TILE

// Whole device pixels per cell where that fits, so that all cells look alike.
function tileSizes(cells, ratio) {
  const sizes = []
  for (let k = 1; (k * cells) / ratio <= MAX_TILE; k++) sizes.push((k * cells) / ratio)
  const fitting = sizes.filter((size) => size >= MIN_TILE)
  return fitting.length ? fitting.reverse() : [Math.min(MAX_TILE, Math.max(MIN_TILE, cells))]
}

function layOut({ tile, ids, captions }, width, ratio) {
  const strip = LINE * Math.max(1, ...captions.map((caption) => caption.split("\n").length))
  let smallest
  for (const w of tileSizes(tile[0], ratio)) {
    const h = (w * tile[1]) / tile[0]
    const columns = Math.max(1, Math.min(ids.length, Math.floor((width - GAP) / (w + GAP))))
    const rows = Math.ceil(ids.length / columns)
    // Spread what is left over, so that the right edge lines up with the page.
    const room = (width - GAP - columns * w) / Math.max(1, columns - 1)
    const grid = { w, h, columns, rows, strip, stepX: w + Math.min(room, w / 2), stepY: h + strip + GAP }
    grid.height = rows * grid.stepY
    if (grid.height <= GOOD_HEIGHT) return grid
    smallest = grid
  }
  return smallest
}

const corner = (grid, i) => [GAP / 2 + (i % grid.columns) * grid.stepX, GAP / 2 + Math.floor(i / grid.columns) * grid.stepY]
const linesOf = (data, i) => (data.captions[i] ?? String(data.ids[i])).split("\n")
const nameOf = ({ data, silent }, i) => {
  const name = `${data.noun} ${data.ids[i]}${silent.has(data.ids[i]) ? " (hardly responds)" : ""}`
  return data.captions[i] ? [name, ...linesOf(data, i)].join(", ") : name
}

function paint(state) {
  const { canvas, data, picture, silent } = state
  const width = canvas.parentElement.clientWidth
  if (!picture || !width) return
  const ratio = window.devicePixelRatio || 1
  const grid = (state.grid = layOut(data, width, ratio))
  canvas.width = Math.round(width * ratio)
  canvas.height = Math.round(grid.height * ratio)
  canvas.style.height = `${grid.height}px`
  const css = getComputedStyle(canvas)
  const text = css.getPropertyValue("--st-text-color")
  const context = canvas.getContext("2d")
  const [tw, th] = data.tile
  const snap = (value) => Math.round(value * ratio)
  context.imageSmoothingEnabled = grid.w * ratio < tw // only where pixels must be dropped
  context.font = `${11 * ratio}px ${css.getPropertyValue("--st-font") || "sans-serif"}`
  context.textAlign = "center"
  context.textBaseline = "middle"
  context.lineWidth = 1.5 * ratio
  context.fillStyle = context.strokeStyle = text
  data.ids.forEach((id, i) => {
    const [left, top] = corner(grid, i)
    const [x, y, w, h] = [left, top, grid.w, grid.h].map(snap)
    const isSilent = silent.has(id)
    context.globalAlpha = isSilent ? 0.35 : 1
    context.drawImage(picture, (i % data.columns) * tw, Math.floor(i / data.columns) * th, tw, th, x, y, w, h)
    if (isSilent) {
      context.globalAlpha = 0.7
      context.beginPath()
      context.moveTo(x, y + h)
      context.lineTo(x + w, y)
      context.stroke()
    }
    linesOf(data, i).forEach((line, n) => context.fillText(line, x + w / 2, y + h + snap(LINE * (n + 0.5)), w + snap(GAP)))
  })
  outline(state, ".selected", data.ids.indexOf(state.selected))
  canvas.dataset.painted = data.alt
}

function outline(state, selector, i) {
  const { style } = state.root.querySelector(selector)
  style.display = i < 0 ? "none" : "block"
  if (i < 0 || !state.grid) return
  const [left, top] = corner(state.grid, i)
  Object.assign(style, { left: `${left}px`, top: `${top}px`, width: `${state.grid.w}px`, height: `${state.grid.h + state.grid.strip}px` })
}

function tileAt(state, event) {
  const { grid, data } = state
  const column = Math.floor((event.offsetX - GAP / 2) / grid.stepX)
  const row = Math.floor((event.offsetY - GAP / 2) / grid.stepY)
  const i = row * grid.columns + column
  const inside = event.offsetX - GAP / 2 - column * grid.stepX <= grid.w
  return inside && row >= 0 && column >= 0 && column < grid.columns && i < data.ids.length ? i : -1
}

function select(state, i, delay) {
  const id = state.data.ids[i]
  if (id === undefined) return
  choose(state, id, delay)
  outline(state, ".selected", i)
  state.root.querySelector(".spoken").textContent = `${nameOf(state, i)} selected`
}

function onKey(state, event) {
  const { ids } = state.data
  const i = ids.indexOf(state.selected)
  const { columns } = state.grid ?? {}
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }
  const targets = { Home: 0, End: ids.length - 1, Enter: Math.max(i, 0), " ": Math.max(i, 0) }
  const target = event.key in steps ? (i < 0 ? 0 : i + steps[event.key]) : targets[event.key]
  if (!columns || target === undefined || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  select(state, target, event.key in steps ? SEND_DELAY : 0)
  state.root.querySelector(".selected").scrollIntoView({ block: "nearest" })
}

function mount(root) {
  const canvas = root.querySelector("canvas")
  const state = { root, canvas, sent: [], silent: new Set() }
  const hover = (i) => {
    outline(state, ".hover", i)
    canvas.title = i < 0 ? "" : nameOf(state, i)
  }
  canvas.onclick = (event) => state.grid && select(state, tileAt(state, event), 0)
  canvas.onmousemove = (event) => state.grid && hover(tileAt(state, event))
  canvas.onmouseleave = () => hover(-1)
  canvas.onkeydown = (event) => onKey(state, event)
  let width = 0
  state.observer = new ResizeObserver(() => {
    // Our own height changes call back too; only a new width asks for a new layout.
    if (width !== (width = canvas.parentElement.clientWidth)) paint(state)
  })
  state.observer.observe(canvas.parentElement)
  return state
}

export default function ({ data, parentElement, setTriggerValue }) {
  const show = (state, isNewest) => {
    state.send = setTriggerValue
    state.canvas.setAttribute("aria-label", `${data.alt} Arrow keys choose a ${data.noun}.`)
    adopt(state, data.selected)
    decode(state, data.png).then(() => {
      if (!isNewest()) return
      // Together with the picture they belong to: the old one stays until the new one is decoded.
      Object.assign(state, { data, silent: new Set(data.silent), picture: state.image })
      paint(state)
    })
  }
  return newest(parentElement, mount, show, ({ timer, observer }) => {
    clearTimeout(timer)
    observer.disconnect()
  })
}

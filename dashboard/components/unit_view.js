// Follows newest.js and pick.js.
const INPUT = 227 // pixels a side: what the network sees
const SHARP = 2 // canvas pixels per input pixel

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
const percent = (value, whole) => `${(100 * value) / whole}%`
const written = (value) => String(Number(value.toPrecision(3)))
const between = (value, low, high) => Math.min(high, Math.max(low, value))

function place(element, left, top, width, height, whole) {
  const [l, t, w, h] = [left, top, width, height].map((value) => percent(value, whole))
  Object.assign(element.style, { display: "block", left: l, top: t, width: w, height: h })
}

// The unit to talk of: under the pointer, else pinned, else the strongest of this channel.
function current({ hover, selected, data }) {
  if (hover >= 0) return [hover, ""]
  return selected >= 0 && selected < data.size ** 2 ? [selected, "pinned"] : [data.strongest, data.hasStrongest ? "the strongest here" : ""]
}

function mark(state) {
  const { data, root } = state
  const [unit, how] = current(state)
  const [row, column] = [Math.floor(unit / data.size), unit % data.size]
  const [[top, bottom], [left, right]] = [data.fields[row], data.fields[column]]
  place(root.querySelector(".box"), left, top, right - left, bottom - top, INPUT)
  place(root.querySelector(".cell"), column, row, 1, 1, data.size)
  root.querySelector(".where").textContent = `Row ${row}, column ${column}: ${written(state.values[unit])}`
  const seen = `sees ${bottom - top} × ${right - left} pixels of the input`
  root.querySelector(".seen").textContent = how ? `${seen} · ${how}` : seen
}

// Each value lies where its receptive field is centred; the photo is grey, so that each colour belongs to a value, and
// clear where the channel is silent.
function paintPhoto({ data, photo, veil, root }) {
  const canvas = root.querySelector(".photo canvas")
  const context = canvas.getContext("2d")
  const opacity = root.querySelector("input").value / 100
  const from = (data.first - data.apart / 2) * SHARP
  context.filter = opacity ? "grayscale(1)" : "none"
  context.imageSmoothingEnabled = true
  context.globalAlpha = 1
  context.drawImage(photo, 0, 0, canvas.width, canvas.height)
  context.filter = "none"
  context.imageSmoothingEnabled = false
  context.globalAlpha = opacity
  context.drawImage(veil, from, from, data.size * data.apart * SHARP, data.size * data.apart * SHARP)
}

function colored(levels, palette, width, opacityOf) {
  const image = new ImageData(width, levels.length / width)
  levels.forEach((level, i) => image.data.set([...palette.subarray(3 * level, 3 * level + 3), opacityOf(level)], 4 * i))
  return image
}

function paint(state) {
  const { data, map, veil, root } = state
  const [levels, palette] = [bytes(data.levels), bytes(data.palette)]
  const solid = () => 255
  const silent = data.signed ? 127.5 : 0
  map.width = map.height = veil.width = veil.height = data.size
  map.getContext("2d").putImageData(colored(levels, palette, data.size, solid), 0, 0)
  const strength = (level) => (255 * Math.abs(level - silent)) / (255 - silent)
  veil.getContext("2d").putImageData(colored(levels, palette, data.size, strength), 0, 0)
  root.querySelector(".bar canvas").getContext("2d").putImageData(colored(Uint8Array.from(Array(256).keys()), palette, 256, solid), 0, 0)
  root.querySelector(".low").textContent = written(data.low)
  root.querySelector(".high").textContent = `${written(data.high)}${data.above ? " and above" : ""}`
  root.querySelector(".name").textContent = data.name
  paintPhoto(state)
  mark(state)
  map.dataset.channel = data.channel
}

const clamped = (data, column, row) => {
  const [x, y] = [column, row].map((value) => between(Math.floor(value), 0, data.size - 1))
  return y * data.size + x
}

function unitAt({ data, map }, event) {
  const canvas = event.target
  const [x, y] = [event.offsetX / canvas.clientWidth, event.offsetY / canvas.clientHeight]
  if (canvas === map) return clamped(data, x * data.size, y * data.size)
  const unit = (share) => (share * INPUT - data.first) / data.apart + 0.5
  return clamped(data, unit(x), unit(y))
}

function pin(state, unit, delay) {
  choose(state, unit, delay)
  state.hover = -1
  mark(state)
  const where = state.root.querySelector(".where").textContent
  state.root.querySelector(".spoken").textContent = unit < 0 ? "No pixel pinned" : where
}

function onKey(state, event) {
  const { size } = state.data
  const unit = current({ ...state, hover: -1 })[0]
  const [row, column] = [Math.floor(unit / size), unit % size]
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Enter: [0, 0], " ": [0, 0] }
  if (event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === "Escape") pin(state, -1, 0)
  if (!(event.key in steps)) return
  event.preventDefault()
  const [down, right] = steps[event.key]
  pin(state, clamped(state.data, column + right, row + down), down || right ? SEND_DELAY : 0)
}

function mount(root) {
  const map = root.querySelector(".map canvas")
  const state = { root, map, veil: document.createElement("canvas"), sent: [], selected: -1, hover: -1 }
  const hover = (unit) => {
    state.hover = unit
    if (state.data) mark(state)
  }
  for (const canvas of [map, root.querySelector(".photo canvas")]) {
    canvas.onmousemove = (event) => hover(unitAt(state, event))
    canvas.onmouseleave = () => hover(-1)
    canvas.onclick = (event) => {
      const unit = unitAt(state, event)
      pin(state, unit === state.selected ? -1 : unit, 0)
    }
    canvas.onkeydown = (event) => onKey(state, event)
  }
  root.querySelector("input").oninput = () => state.data && paintPhoto(state)
  return state
}

export default function ({ data, parentElement, setTriggerValue }) {
  const show = (state, isNewest) => {
    state.send = setTriggerValue
    adopt(state, data.unit)
    decode(state, data.photo).then(() => {
      if (!isNewest()) return
      Object.assign(state, { data, photo: state.image, values: new Float32Array(bytes(data.values).buffer) })
      state.map.setAttribute("aria-label", `${data.alt} Arrow keys choose a pixel, Escape lets it go.`)
      parentElement.querySelector(".photo canvas").setAttribute("aria-label", data.photoAlt)
      paint(state)
    })
  }
  return newest(parentElement, mount, show, ({ timer }) => clearTimeout(timer))
}

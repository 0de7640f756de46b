// Follows newest.js. A table of buttons: one a cell, and one a class in the margins, which stands for the whole row or
// column (-1).
const MISTAKE = "#D55E00"
const NARROWEST = 24 // CSS pixels a cell: with many classes the table scrolls
const MOST = 55 // percent of the colour in a cell: with more, the light theme's text has less contrast than 4.5 to 1
const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }

const keyOf = ([row, column]) => `${row},${column}`

// Colour goes with the root of the share, so that rare mistakes can be told from none.
function tint(button, share, right) {
  button.style.setProperty("--tint", right ? "var(--st-primary-color)" : MISTAKE)
  button.style.setProperty("--share", Math.round(MOST * Math.sqrt(share)))
}

function cell(state, place, text, label, kind) {
  const button = document.createElement("button")
  Object.assign(button, { type: "button", textContent: text, title: label, className: kind, tabIndex: -1 })
  button.setAttribute("aria-label", label)
  button.onclick = () => {
    press(state, place)
    state.send("picked", place)
  }
  state.buttons.set(keyOf(place), button)
  return button
}

function build(state, { names, counts }) {
  state.buttons = new Map()
  const table = document.createElement("table")
  table.style.minWidth = `${names.length * NARROWEST + 110}px`
  const wrap = (tag, child) => {
    const element = document.createElement(tag)
    element.append(child)
    return element
  }
  const head = table.createTHead().insertRow()
  head.append(wrap("th", "true ↓ predicted →"))
  head.firstChild.className = "corner"
  names.forEach((name, j) => head.append(wrap("th", cell(state, [-1, j], name, `all predicted ${name}`, "column"))))
  const body = table.createTBody()
  names.forEach((name, i) => {
    const row = body.insertRow()
    row.append(wrap("th", cell(state, [i, -1], name, `${name}, taken for another class`, "row")))
    const total = counts[i].reduce((sum, count) => sum + count, 0)
    counts[i].forEach((count, j) => {
      const share = total ? count / total : 0
      const label = `true ${name}, predicted ${names[j]}: ${count} images, ${(100 * share).toFixed(1)} %`
      const button = cell(state, [i, j], count, label, count ? "" : "empty")
      tint(button, share, i === j)
      row.append(wrap("td", button))
    })
  })
  state.root.querySelector(".scroll").replaceChildren(table)
}

// The pressed button is also the one that Tab reaches; arrows move on from it.
function press(state, place) {
  const chosen = state.buttons.get(keyOf(place)) ?? null
  for (const button of state.buttons.values()) {
    button.setAttribute("aria-pressed", button === chosen)
    button.tabIndex = -1
  }
  const reached = chosen ?? state.buttons.get("0,0")
  if (reached) reached.tabIndex = 0
}

function onKey(state, event) {
  const step = STEPS[event.key]
  const place = [...state.buttons].find(([, button]) => button === event.target)?.[0]
  if (!step || !place || event.ctrlKey || event.metaKey || event.altKey) return
  event.preventDefault()
  const [row, column] = place.split(",").map(Number)
  const next = state.buttons.get(keyOf([row + step[0], column + step[1]]))
  if (!next) return
  event.target.tabIndex = -1
  next.tabIndex = 0
  next.focus()
}

export default function ({ data, parentElement, setTriggerValue }) {
  const mount = (root) => ({ root, drawn: "" })
  return newest(parentElement, mount, (state) => {
    state.send = setTriggerValue
    const frame = parentElement.querySelector(".scroll")
    frame.setAttribute("aria-label", data.alt)
    frame.onkeydown = (event) => onKey(state, event)
    const drawn = JSON.stringify([data.names, data.counts])
    if (state.drawn !== drawn) build(state, data)
    state.drawn = drawn
    press(state, data.selected)
  })
}

// Before the script of a component that shows a picture in which something is chosen here, and by Python.
const SEND_DELAY = 150 // ms: a held arrow key walks on without a rerun per step

function choose(state, value, delay) {
  state.selected = value
  clearTimeout(state.timer)
  state.timer = setTimeout(() => {
    state.timer = 0
    state.sent.push(value)
    state.send("picked", value)
  }, delay)
}

// Python's selection counts, except where it only echoes a pick that a newer one has overtaken.
function adopt(state, next) {
  const echo = state.sent.indexOf(next)
  const changed = next !== state.told
  state.told = next
  if (echo < 0 && !changed) return
  state.sent.splice(0, echo < 0 ? Infinity : echo + 1)
  if (echo < 0) clearTimeout(state.timer)
  if (echo < 0 || (!state.sent.length && !state.timer)) state.selected = next
}

function decode(state, url) {
  if (state.url !== url) {
    state.url = url
    state.image = new Image()
    state.image.src = url
    state.decoded = state.image.decode()
  }
  return state.decoded
}

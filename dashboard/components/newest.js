// Before the script of every component. While a component's module loads, Streamlit's calls of it wait, and then come
// in any order; the cleanup of those that newer data have overtaken is called at once. Whose is not, a moment later, is
// the newest.
const runs = new WeakMap()

// show(isNewest) draws; isNewest() says, where it had to wait, whether it still may. leave() is for when all is over.
function newest(element, show, leave = () => {}) {
  const run = {}
  const timer = setTimeout(() => {
    runs.set(element, run)
    show(() => runs.get(element) === run)
  })
  return () => {
    clearTimeout(timer)
    if (runs.get(element) !== run) return
    runs.delete(element)
    leave()
  }
}
